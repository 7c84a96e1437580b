#include "api/artifacts.h"

#include <algorithm>

#include "api/backends.h"
#include "base/error.h"
#include "octet/version.h"
#include "onnx/export.h"
#include "onnx/import.h"
#include "passes/precision.h"
#include "quant/quantize.h"

namespace octet::api {
namespace fs = std::filesystem;
namespace {

int64_t count_fp8(const std::vector<passes::PartPrecision>& parts) {
  return std::ranges::count(parts, true, &passes::PartPrecision::fp8);
}

/// ONNX has no quantizer whose scale follows each row.
void check_static(const models::ClipModel& model) {
  const auto& quantization = model.checkpoint().quantization;
  if (!quantization) return;
  for (const auto& [name, quantizer] : quantization->quantizers) {
    if (quantizer.enabled && quantizer.dynamic_per_token) {
      fail(ErrorCode::usage,
           "'{}' computes the scale of {} (and maybe others) for each token at run time; give "
           "--calib DATA to make such scales static",
           model.checkpoint().folder.string(), name);
    }
  }
}

}  // namespace

std::vector<fs::path> export_model(const models::ClipModel& model, const fs::path& target,
                                   const OpenOptions& options, const Progress& progress) {
  check_static(model);
  const ModelGraphs graphs = checkpoint_graphs(model, options);
  std::vector<fs::path> files;
  for (const auto& [tower, graph] : graphs.towers) {
    onnx::ExportOptions export_options;
    export_options.metadata = {{"octet.logit_scale", fmt::format("{:.9g}", graphs.logit_scale)}};
    export_options.producer_version = OCTET_VERSION;
    export_options.progress = progress;
    files.push_back(tower_file(target, tower, ModelKind::onnx));
    onnx::export_graph(graph, files.back(), export_options);
  }
  copy_companions(model.checkpoint().folder, target);
  return files;
}

models::ClipModel with_static_scales(const models::ClipModel& model,
                                     const std::vector<fs::path>& data,
                                     const quant::CalibrationOptions& options,
                                     const Progress& progress) {
  auto calibration = quant::CalibrationData::open(model, data, options);
  checkpoint::Checkpoint checkpoint = model.checkpoint();
  checkpoint.quantization =
      quant::make_static(model, calibration, backend("auto"), {.progress = progress});
  return models::ClipModel(std::move(checkpoint));
}

runtime::Plan build_plan(const fs::path& onnx_file, const BuildOptions& options) {
  onnx::ImportResult file = onnx::import_file(onnx_file);
  const Precision precision = precision_of(file.graph);
  runtime::CompileOptions compile_options;
  compile_options.symbols = options.symbols;
  compile_options.disabled_passes = options.disabled_passes;
  compile_options.facts = {
      {"source", onnx_file.filename().string()}, {"octet_version", OCTET_VERSION},
      {"products", precision.products},          {"products_fp8", precision.products_fp8},
      {"attentions", precision.attentions},      {"attentions_fp8", precision.attentions_fp8}};
  if (const auto scale = file.metadata.find("octet.logit_scale"); scale != file.metadata.end()) {
    compile_options.facts["logit_scale"] = std::strtof(scale->second.c_str(), nullptr);
  }
  return with_context(onnx_file.string(), [&] {
    return compile_for(options.backend, std::move(file.graph), compile_options);
  });
}

runtime::Plan build_plan_file(const fs::path& onnx_file, const fs::path& target,
                              const BuildOptions& options) {
  runtime::Plan plan = build_plan(onnx_file, options);
  runtime::save_plan(plan, target);
  copy_companions(onnx_file.parent_path(), target.parent_path());
  return plan;
}

Precision precision_of(const Graph& graph) {
  const auto products = passes::product_precisions(graph);
  const auto attentions = passes::attention_precisions(graph);
  return {static_cast<int64_t>(products.size()), count_fp8(products),
          static_cast<int64_t>(attentions.size()), count_fp8(attentions)};
}

}  // namespace octet::api
