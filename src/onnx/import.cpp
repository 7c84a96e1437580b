#include "onnx/import.h"

#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "onnx/fields.h"
#include "onnx/graph_builder.h"
#include "onnx/model_view.h"
#include "ops/ops.h"
#include "tensor/codecs.h"

namespace octet::onnx {
namespace {

void check_versions(const ModelView& model) {
  if (model.ir_version < kIrVersionMin || model.ir_version > kIrVersionMax) {
    fail_input(
        "it has IR version {}, only {} to {} can be read: this is no ONNX file, or one of "
        "another time",
        model.ir_version, kIrVersionMin, kIrVersionMax);
  }
  const auto opset = model.opsets.find("");
  if (opset == model.opsets.end()) fail_input("it imports no version of ONNX's operators");
  if (opset->second < kOpsetMin || opset->second > kOpsetMax) {
    fail_input("it uses opset {}, only {} to {} can be read; export it again with opset {}",
               opset->second, kOpsetMin, kOpsetMax, kOpsetWritten);
  }
  if (model.graph.empty()) fail_input("it holds no graph");
}

/// A scale of zero, below zero or without value would pass every type rule and ruin the results.
void check_scale(const Graph& graph, const Node& node) {
  if (node.inputs.size() < 2 || !graph.is_constant(node.inputs[1])) return;
  const Value& value = graph.value(node.inputs[1]);
  if (!is_float(value.dtype)) return;
  for (int64_t i = 0; i < value.constant->count(); ++i) {
    const float scale = element_as_f32(*value.constant, i);
    if (std::isfinite(scale) && scale > 0) continue;
    fail_input("node '{}' ({}): its scale '{}' holds {}; scales are above zero", node.name, node.op,
               value.name, scale);
  }
}

void check_scales(const Graph& graph) {
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (node.is("QuantizeLinear") || node.is("DequantizeLinear")) check_scale(graph, node);
  }
}

std::vector<DType> dtypes_of(const Graph& graph) {
  std::vector<DType> dtypes;
  for (const ValueId id : graph.values()) dtypes.push_back(graph.value(id).dtype);
  return dtypes;
}

/// Infers types and says where the file declared others.
void infer(Graph& graph, const GraphBuilder& builder, std::vector<std::string>& notices) {
  const std::vector<DType> before = dtypes_of(graph);
  infer_types(graph);
  size_t wrong = 0;
  std::string first;
  const std::vector<ValueId> values = graph.values();
  for (size_t i = 0; i < values.size(); ++i) {
    const Value& value = graph.value(values[i]);
    if (value.dtype == before[i] || !builder.is_declared(value.name)) continue;
    if (wrong++ == 0) {
      first = fmt::format("'{}' is {}, declared {}", value.name, name_of(value.dtype),
                          name_of(before[i]));
    }
  }
  if (wrong > 0) {
    notices.push_back(
        fmt::format("{} values are declared with a wrong element type, first {}", wrong, first));
  }
}

}  // namespace

ImportResult import_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                          const std::filesystem::path& folder, const ImportOptions& options) {
  const ModelView model = view_model({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  check_versions(model);
  GraphBuilder builder(model, TensorReader(std::move(owner), ExternalData(folder)));
  ImportResult result;
  result.graph = builder.build(view_graph(model.graph));
  check_scales(result.graph);
  result.metadata = model.metadata;
  result.ir_version = model.ir_version;
  result.opset = model.opsets.at("");
  result.producer_name = std::string(model.producer_name);
  result.producer_version = std::string(model.producer_version);
  result.notices = builder.notices();
  if (options.infer) infer(result.graph, builder, result.notices);
  return result;
}

ImportResult import_file(const std::filesystem::path& path, const ImportOptions& options) {
  const auto file = MappedFile::open(path);
  return with_context(fmt::format("'{}'", path.string()), [&] {
    return import_bytes(file->bytes(), file, path.parent_path(), options);
  });
}

}  // namespace octet::onnx
