#include "quant/quantize.h"

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/save.h"
#include "quant/apply_stored.h"
#include "quant/weights.h"

namespace octet::quant {
namespace fs = std::filesystem;
namespace {

using checkpoint::StoredQuantizer;

constexpr const char* kReportJson = "quantization.json";
constexpr const char* kReportText = "quantization.txt";

void check_data(const models::ClipModel& model, const Resolved& resolved,
                const CalibrationData* data) {
  if (model.checkpoint().quantization) {
    fail_input("'{}' is quantized already; give the checkpoint it was made from",
               model.checkpoint().folder.string());
  }
  const int64_t needing = count_needing_data(resolved, models::Tower::text) +
                          count_needing_data(resolved, models::Tower::image);
  if (data != nullptr || needing == 0) return;
  fail(ErrorCode::usage,
       "recipe '{}' quantizes {} activations, whose scales come from calibration data; give some, "
       "or a recipe for weights only",
       resolved.recipe, needing);
}

SolvedScale solve_scales(std::vector<float> amax, const std::string& quantizer) {
  SolvedScale solved;
  solved.amax = std::move(amax);
  with_context(quantizer, [&] {
    std::ranges::transform(solved.amax, std::back_inserter(solved.scale), stored_scale);
  });
  return solved;
}

Tensor scale_tensor(const std::vector<float>& scale, Granularity granularity) {
  if (granularity == Granularity::per_tensor) return Tensor::scalar(scale.front());
  return Tensor::from<float>({static_cast<int64_t>(scale.size())}, scale);
}

/// The model's tensors under their canonical names; what does not belong to it stays behind.
checkpoint::NamedTensors canonical_tensors(const models::ClipModel& model) {
  checkpoint::NamedTensors tensors;
  for (const auto& [name, tensor] : model.checkpoint().tensors) {
    if (name.starts_with(model.prefix())) tensors[name.substr(model.prefix().size())] = tensor;
  }
  return tensors;
}

SolvedScale solve(const ResolvedQuantizer& quantizer, const checkpoint::NamedTensors& tensors,
                  const AmaxByName& activations) {
  switch (quantizer.kind) {
    case PointKind::softmax:
      return {{}, {softmax_scale()}};
    case PointKind::weight: {
      const std::string weight = std::string(module_of(quantizer.name)) + ".weight";
      return solve_scales(solve_weight_amax(tensors.at(weight), quantizer.format, weight),
                          quantizer.name);
    }
    default:
      return solve_scales({activations.at(quantizer.name)}, quantizer.name);
  }
}

OrderedJson describe_calibration(const models::ClipModel& model, const CalibrationData* data) {
  OrderedJson used = OrderedJson::object();
  if (data == nullptr) return used;
  for (const models::Tower tower : {models::Tower::text, models::Tower::image}) {
    if (model.has(tower)) used[std::string(models::name_of(tower))] = data->used(tower);
  }
  return {{"samples", used},
          {"requested", data->options().size},
          {"seed", data->options().seed},
          {"unreadable", data->unreadable()}};
}

/// Resolved as if a recipe had asked for exactly the dynamic inputs.
Resolved dynamic_inputs(const models::ClipModel& model) {
  const auto& stored = model.checkpoint().quantization->quantizers;
  Resolved resolved;
  for (const TowerPoints& tower : find_points(model)) {
    for (const Point& point : tower.points) {
      const auto found = stored.find(point.name);
      if (found == stored.end() || !found->second.dynamic_per_token) continue;
      resolved.quantizers.push_back({point.name, point.kind, tower.tower, true, {}, {}});
    }
  }
  return resolved;
}

}  // namespace

QuantizedModel quantize(const models::ClipModel& model, const Resolved& resolved,
                        CalibrationData* data, const runtime::Backend& backend,
                        const CalibrateOptions& options) {
  check_data(model, resolved, data);
  AmaxByName activations;
  if (data != nullptr) activations = calibrate(model, resolved, *data, backend, options);
  QuantizedModel quantized;
  quantized.resolved = resolved;
  quantized.calibration = describe_calibration(model, data);
  quantized.tensors = canonical_tensors(model);
  const auto total = static_cast<int64_t>(resolved.quantizers.size());
  for (int64_t i = 0; i < total; ++i) {
    throw_if_interrupted();
    report(options.progress, "quantize weights", i + 1, total);
    const ResolvedQuantizer& quantizer = resolved.quantizers[static_cast<size_t>(i)];
    if (!quantizer.enabled) continue;
    SolvedScale solved = solve(quantizer, quantized.tensors, activations);
    const Tensor scale = scale_tensor(solved.scale, quantizer.format.scale);
    quantized.quantizers[quantizer.name].scale = scale;
    quantized.scales[quantizer.name] = std::move(solved);
    if (quantizer.kind != PointKind::weight) continue;
    Tensor& weight = quantized.tensors.at(std::string(module_of(quantizer.name)) + ".weight");
    weight = quantize_weight(weight, scale, 0);
  }
  return quantized;
}

void check_target(const models::ClipModel& model, const fs::path& folder) {
  std::error_code error;
  if (fs::equivalent(folder, model.checkpoint().folder, error)) {
    fail(ErrorCode::usage, "'{}' is the checkpoint itself; give another output folder",
         folder.string());
  }
  const AtomicFile probe(folder / kReportJson);
}

void save_quantized_model(const QuantizedModel& quantized, const models::ClipModel& model,
                          const fs::path& folder, const std::string& version) {
  OrderedJson report = to_json(quantized.resolved, quantized.scales);
  report["calibration"] = quantized.calibration;
  report["octet_version"] = version;
  checkpoint::SaveOptions options;
  options.producer_version = version;
  options.companions = checkpoint::read_companions(model.checkpoint().folder);
  options.companions.push_back({kReportJson, report.dump(1) + "\n"});
  options.companions.push_back({kReportText, to_text(quantized.resolved, quantized.scales)});
  checkpoint::save_quantized(folder, model.checkpoint().config, quantized.tensors,
                             quantized.quantizers, options);
}

checkpoint::StoredQuantization make_static(const models::ClipModel& model, CalibrationData& data,
                                           const runtime::Backend& backend,
                                           const CalibrateOptions& options) {
  const auto& stored = model.checkpoint().quantization;
  check(stored.has_value(), "'{}' is not quantized", model.checkpoint().folder.string());
  checkpoint::StoredQuantization result = *stored;
  for (const auto& [name, amax] : calibrate(model, dynamic_inputs(model), data, backend, options)) {
    StoredQuantizer& quantizer = result.quantizers.at(name);
    quantizer.dynamic_per_token = false;
    quantizer.scale =
        Tensor::scalar(with_context(name, [&amax = amax] { return stored_scale(amax); }));
  }
  return result;
}

}  // namespace octet::quant
