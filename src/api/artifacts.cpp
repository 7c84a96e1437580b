#include "api/artifacts.h"

#include "api/backends.h"
#include "base/error.h"
#include "octet/version.h"
#include "onnx/export.h"
#include "onnx/import.h"
#include "passes/match.h"
#include "passes/passes.h"

namespace octet::api {
namespace fs = std::filesystem;
namespace {

/// Both operands come out of a DequantizeLinear from E4M3.
bool in_fp8(const Graph& graph, const Node& product) {
  for (const ValueId operand : {product.inputs[0], product.inputs[1]}) {
    const Node* dequantize = passes::made_by(graph, operand, "DequantizeLinear");
    if (dequantize == nullptr || graph.value(dequantize->inputs[0]).dtype != DType::f8e4m3) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<fs::path> export_model(const models::ClipModel& model, const fs::path& target,
                                   const OpenOptions& options, const Progress& progress) {
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
    return runtime::compile(std::move(file.graph), backend(options.backend), compile_options);
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
  Precision precision;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!node.is("MatMul")) continue;
    ++precision.products;
    precision.products_fp8 += int64_t{in_fp8(graph, node)};
  }
  for (const passes::AttentionMatch& match : passes::find_attention(graph)) {
    ++precision.attentions;
    const bool fp8 =
        in_fp8(graph, graph.node(match.scores)) && in_fp8(graph, graph.node(match.values));
    precision.attentions_fp8 += int64_t{fp8};
  }
  return precision;
}

}  // namespace octet::api
