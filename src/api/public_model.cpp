#include "api/artifacts.h"
#include "api/backends.h"
#include "api/capture.h"
#include "octet/model.h"
#include "octet/version.h"
#include "quant/quantize.h"

namespace octet {

struct Model::State {
  models::ClipModel model;
};

/// Lets the functions of this file make and open a Model.
struct ModelAccess {
  static Model make(models::ClipModel model) {
    return Model(std::make_shared<const Model::State>(Model::State{std::move(model)}));
  }
  static const models::ClipModel& open(const Model& model) { return model.state_->model; }
};

bool Model::quantized() const {
  return state_->model.checkpoint().quantization.has_value();
}

Result<Model> load(const std::filesystem::path& folder) {
  return api::capture<Model>([&] {
    return ModelAccess::make(
        models::ClipModel(checkpoint::open_checkpoint(api::checkpoint_folder(folder))));
  });
}

Result<void> quantize(const Model& model, const std::filesystem::path& folder,
                      const QuantizeOptions& options) {
  return api::capture<void>([&] {
    const models::ClipModel& clip = ModelAccess::open(model);
    const auto resolved =
        quant::resolve(quant::open_recipe(options.recipe), quant::find_points(clip));
    quant::CalibrationOptions calibration;
    calibration.size = options.calibration_size;
    calibration.seed = options.seed;
    auto data = quant::CalibrationData::open(clip, {options.calibration}, calibration);
    quant::check_target(clip, folder);
    const quant::QuantizedModel quantized = quant::quantize(
        clip, resolved, &data, api::backend("auto"), {.progress = options.progress});
    quant::save_quantized_model(quantized, clip, folder, OCTET_VERSION);
  });
}

Result<std::vector<std::filesystem::path>> export_onnx(const Model& model,
                                                       const std::filesystem::path& folder) {
  return api::capture<std::vector<std::filesystem::path>>(
      [&] { return api::export_model(ModelAccess::open(model), folder, {}, {}); });
}

Result<void> compile(const std::filesystem::path& onnx_file, const std::filesystem::path& plan,
                     const BatchRange& batch, const std::string& backend) {
  return api::capture<void>([&] {
    api::BuildOptions options;
    options.backend = backend;
    options.symbols["batch"] = {batch.min, batch.opt, batch.max};
    api::build_plan_file(onnx_file, plan, options);
  });
}

}  // namespace octet
