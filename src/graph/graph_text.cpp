#include "graph/graph_text.h"

#include "base/error.h"
#include "tensor/codecs.h"

namespace octet {
namespace {

struct AttributeText {
  std::string operator()(int64_t value) const { return fmt::format("{}", value); }
  std::string operator()(float value) const { return fmt::format("{:.9g}f", value); }
  std::string operator()(const std::string& value) const { return fmt::format("\"{}\"", value); }
  std::string operator()(const std::vector<int64_t>& values) const {
    return fmt::format("[{}]", fmt::join(values, ", "));
  }
  std::string operator()(const std::vector<float>& values) const {
    return fmt::format("[{:.9g}]", fmt::join(values, ", "));
  }
  std::string operator()(const Tensor& tensor) const {
    return fmt::format("<{} {}>", name_of(tensor.dtype()), to_string(tensor.shape()));
  }
};

std::string type_text(const Value& value) {
  return fmt::format("{} {}", name_of(value.dtype), to_string(value.dims));
}

std::string input_text(const Graph& graph, ValueId id) {
  if (id == kNoValue) return "-";
  const Value& value = graph.value(id);
  const bool small_float = value.constant && value.constant->count() == 1 && is_float(value.dtype);
  if (!small_float) return value.name;
  return fmt::format("{}={:.9g}", value.name, element_as_f32(*value.constant, 0));
}

std::string node_text(const Graph& graph, const Node& node) {
  std::vector<std::string> outputs;
  for (const ValueId id : node.outputs) {
    outputs.push_back(fmt::format("{} {}", graph.value(id).name, type_text(graph.value(id))));
  }
  std::vector<std::string> inputs;
  for (const ValueId id : node.inputs) inputs.push_back(input_text(graph, id));
  std::vector<std::string> attributes;
  for (const auto& [key, value] : node.attributes) {
    attributes.push_back(fmt::format("{}={}", key, std::visit(AttributeText{}, value)));
  }
  const std::string op = node.domain.empty() ? node.op : node.domain + "." + node.op;
  return fmt::format("  {} = {}({}){}\n", fmt::join(outputs, ", "), op, fmt::join(inputs, ", "),
                     attributes.empty() ? "" : fmt::format(" {{{}}}", fmt::join(attributes, ", ")));
}

}  // namespace

std::string to_text(const Graph& graph) {
  std::string text = fmt::format("graph {}\n", graph.name());
  for (const ValueId id : graph.inputs()) {
    text += fmt::format("  input {} {}\n", graph.value(id).name, type_text(graph.value(id)));
  }
  for (const NodeId id : graph.order()) text += node_text(graph, graph.node(id));
  for (const ValueId id : graph.outputs()) {
    text += fmt::format("  output {} {}\n", graph.value(id).name, type_text(graph.value(id)));
  }
  return text;
}

}  // namespace octet
