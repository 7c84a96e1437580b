#include "api/deploy.h"

#include <algorithm>

#include "api/artifacts.h"
#include "api/backends.h"
#include "api/verify_model.h"
#include "base/error.h"
#include "base/log.h"
#include "checkpoint/save.h"
#include "eval/retrieval.h"
#include "eval/zeroshot.h"
#include "octet/version.h"
#include "ops/ops.h"
#include "profile/benchmark.h"
#include "quant/quantize.h"
#include "tensor/codecs.h"

namespace octet::api {
namespace fs = std::filesystem;
namespace {

constexpr double kMiB = 1 << 20;

class Deployment {
 public:
  Deployment(fs::path target, const DeployOptions& options, const Progress& progress)
      : target_(std::move(target)), options_(options), progress_(progress) {}

  DeployReport run(const fs::path& folder) {
    const models::ClipModel model(checkpoint::open_checkpoint(checkpoint_folder(folder)));
    if (model.checkpoint().quantization) {
      finish("fp8", options_.calibration.empty()
                        ? model
                        : with_static_scales(model, options_.calibration,
                                             options_.calibration_options, progress_));
    } else {
      quant::check_target(model, place("fp8", "checkpoint"));
      log_info("FP16 baseline");
      save_fp16(model);
      finish("fp16", reopen("fp16"));
      log_info("FP8 quantization, recipe '{}'", options_.recipe);
      quantize(model);
      finish("fp8", reopen("fp8"));
    }
    log_info("verification of the FP8 engines");
    verify();
    return std::move(report_);
  }

 private:
  [[nodiscard]] fs::path place(const std::string& precision, const char* part) const {
    return target_ / precision / part;
  }

  [[nodiscard]] models::ClipModel reopen(const std::string& precision) const {
    return models::ClipModel(checkpoint::open_checkpoint(place(precision, "checkpoint")));
  }

  /// The model with FP16 weights, whatever it was stored in.
  void save_fp16(const models::ClipModel& model) {
    const auto& tensors = model.checkpoint().tensors;
    std::vector<checkpoint::TensorInfo> infos;
    for (const auto& [name, tensor] : tensors) {
      infos.push_back(
          {name, is_float(tensor.dtype()) ? DType::f16 : tensor.dtype(), tensor.shape()});
    }
    Json config = model.checkpoint().config;
    config["torch_dtype"] = "float16";
    const fs::path folder = place("fp16", "checkpoint");
    checkpoint::save_checkpoint(folder, config, infos, [&](const checkpoint::TensorInfo& info) {
      return convert(tensors.find(info.name)->second, info.dtype);
    });
    copy_companions_but_config(model.checkpoint().folder, folder);
  }

  void quantize(const models::ClipModel& model) {
    const auto resolved =
        quant::resolve(quant::open_recipe(options_.recipe), quant::find_points(model));
    auto data =
        quant::CalibrationData::open(model, options_.calibration, options_.calibration_options);
    const quant::QuantizedModel quantized =
        quant::quantize(model, resolved, &data, calibration_backend(options_.open.backend),
                        {.progress = progress_});
    quant::save_quantized_model(quantized, model, place("fp8", "checkpoint"), OCTET_VERSION);
  }

  /// Everything that follows a checkpoint of one precision.
  void finish(const std::string& precision, const models::ClipModel& model) {
    report_.precisions.push_back(precision);
    add("checkpoint", "MiB", precision, weights_size(model.checkpoint().folder));
    log_info("{}: export", precision);
    const auto files = export_model(model, place(precision, "onnx"), options_.open, progress_);
    for (const fs::path& file : files) build(precision, file);
    log_info("{}: latency", precision);
    time_engines(precision);
    log_info("{}: evaluation", precision);
    evaluate(precision);
  }

  void build(const std::string& precision, const fs::path& onnx_file) {
    add(onnx_file.filename().string(), "MiB", precision,
        static_cast<double>(fs::file_size(onnx_file)) / kMiB);
    const fs::path plan = place(precision, "plan") / onnx_file.stem().concat(".plan");
    BuildOptions build_options;
    build_options.backend = options_.open.backend;
    build_options.symbols["batch"] = {1, 1, options_.max_batch};
    log_info("{}: build {}", precision, plan.filename().string());
    build_plan_file(onnx_file, plan, build_options);
    add(plan.filename().string(), "MiB", precision,
        static_cast<double>(fs::file_size(plan)) / kMiB);
  }

  void time_engines(const std::string& precision) {
    const fs::path folder = place(precision, "plan");
    for (const models::Tower tower : towers_in(folder, ModelKind::plan)) {
      runtime::Plan plan = runtime::load_plan(tower_file(folder, tower, ModelKind::plan));
      const runtime::Backend& device = backend_for(options_.open.backend, plan);
      const auto engine = runtime::Engine::load(std::move(plan), device);
      const Graph& graph = engine->graph();
      const Dims& dims = graph.value(graph.inputs().front()).dims;
      const Shape one = *to_shape(octet::bind(dims, {{"batch", 1}}));
      const auto inputs = profile::random_inputs(graph, {&one, 1}, 0);
      runtime::Session session(engine);
      const auto result = profile::benchmark(session, inputs, {10, 1.0, 200});
      add(fmt::format("{} latency, batch 1", models::name_of(tower)), "ms", precision,
          profile::statistics(result.compute_ms, {}).median);
    }
  }

  void evaluate(const std::string& precision) {
    if (options_.evaluation.empty()) return;
    const OpenModel model = open_model(place(precision, "plan"), options_.open);
    for (const EvaluationSet& set : find_evaluation_sets(options_.evaluation)) {
      const auto dataset = data::open_dataset(set.path);
      const OrderedJson metrics =
          set.zero_shot
              ? eval::metrics_of(eval::evaluate_zero_shot(model.encoder, *dataset, {}, progress_))
              : eval::metrics_of(
                    eval::evaluate_retrieval(model.encoder, *dataset, {1, 5}, false, progress_));
      for (const auto& [name, value] : metrics.items()) {
        add(name, "", precision, value.get<double>());
      }
    }
  }

  void verify() {
    const auto sets = options_.evaluation.empty() ? std::vector<EvaluationSet>()
                                                  : find_evaluation_sets(options_.evaluation);
    const auto captioned = std::ranges::find(sets, false, &EvaluationSet::zero_shot);
    VerifyInputs inputs;
    inputs.samples = options_.verify_samples;
    if (captioned != sets.end()) {
      inputs.data = captioned->path;
    } else if (!options_.calibration.empty()) {
      inputs.data = options_.calibration.front();
    } else {
      return log_warning("there is no data to verify the engines on; give --calib or --eval");
    }
    report_.verification =
        verify_model(place("fp8", "plan"), place("fp8", "onnx"), inputs, options_.open, progress_);
  }

  void add(const std::string& name, const char* unit, const std::string& precision, double value) {
    auto found = std::ranges::find(report_.figures, name, &DeployFigure::name);
    if (found == report_.figures.end()) {
      found = report_.figures.insert(found, {name, unit, {}});
    }
    found->values[precision] = value;
  }

  static double weights_size(const fs::path& folder) {
    double bytes = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".safetensors") {
        bytes += static_cast<double>(entry.file_size());
      }
    }
    return bytes / kMiB;
  }

  fs::path target_;
  const DeployOptions& options_;
  const Progress& progress_;
  DeployReport report_;
};

bool has_captions(data::Dataset& dataset) {
  const std::optional<data::Sample> first = dataset.next();
  return first && !first->captions.empty();
}

}  // namespace

std::string DeployReport::first_failure() const {
  for (const eval::TowerReport& report : verification) {
    if (!report.first_failure.empty()) return report.first_failure;
  }
  return {};
}

DeployReport deploy(const fs::path& checkpoint, const fs::path& target,
                    const DeployOptions& options, const Progress& progress) {
  return Deployment(target, options, progress).run(checkpoint);
}

OrderedJson to_json(const DeployReport& report) {
  OrderedJson figures = OrderedJson::array();
  for (const DeployFigure& figure : report.figures) {
    OrderedJson row = {{"name", figure.name}, {"unit", figure.unit}};
    for (const auto& [precision, value] : figure.values) row[precision] = value;
    figures.push_back(std::move(row));
  }
  OrderedJson verification = OrderedJson::array();
  for (const eval::TowerReport& tower : report.verification) {
    verification.push_back(eval::to_json(tower));
  }
  return {{"precisions", report.precisions},
          {"figures", std::move(figures)},
          {"verification", std::move(verification)}};
}

std::vector<EvaluationSet> find_evaluation_sets(const fs::path& path) {
  std::vector<EvaluationSet> sets;
  if (fs::is_directory(path / "zeroshot")) sets.push_back({true, path / "zeroshot"});
  if (fs::is_directory(path / "retrieval")) sets.push_back({false, path / "retrieval"});
  if (!sets.empty()) return sets;
  const auto dataset = data::open_dataset(path);
  if (!dataset->class_names().empty() && !dataset->templates().empty()) {
    sets.push_back({true, path});
  } else if (has_captions(*dataset)) {
    sets.push_back({false, path});
  } else {
    fail_input("'{}' has neither classes with templates nor captions to evaluate with",
               path.string());
  }
  return sets;
}

}  // namespace octet::api
