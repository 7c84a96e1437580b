#include "passes/match.h"

#include "base/error.h"
#include "passes/passes.h"
#include "tensor/codecs.h"

namespace octet::passes {

const Node* made_by(const Graph& graph, ValueId value, std::string_view op,
                    std::string_view domain) {
  const auto producer = graph.producer(value);
  if (!producer) return nullptr;
  const Node& node = graph.node(*producer);
  return node.is(op, domain) ? &node : nullptr;
}

const Node* only_read_by(const Graph& graph, ValueId value, std::string_view op,
                         std::string_view domain) {
  const auto reader = graph.sole_consumer(value);
  if (!reader) return nullptr;
  const Node& node = graph.node(*reader);
  return node.is(op, domain) ? &node : nullptr;
}

std::optional<float> scalar_constant(const Graph& graph, ValueId value) {
  if (!graph.is_constant(value)) return std::nullopt;
  const Tensor& tensor = *graph.value(value).constant;
  if (tensor.count() != 1 || !is_float(tensor.dtype())) return std::nullopt;
  return element_as_f32(tensor, 0);
}

std::optional<std::vector<int64_t>> integer_constant(const Graph& graph, ValueId value) {
  if (!graph.is_constant(value)) return std::nullopt;
  const Tensor& tensor = *graph.value(value).constant;
  if (tensor.dtype() != DType::i64) return std::nullopt;
  const auto values = tensor.values<int64_t>();
  return std::vector<int64_t>(values.begin(), values.end());
}

ValueId other_input(const Node& node, ValueId value) {
  return node.inputs.at(0) == value ? node.inputs.at(1) : node.inputs.at(0);
}

std::optional<float> tensor_scale(const Graph& graph, const Node& node) {
  const bool quantizes = node.is("QuantizeLinear");
  if (!quantizes && !node.is("DequantizeLinear")) return std::nullopt;
  const ValueId codes = quantizes ? node.outputs.front() : node.inputs.front();
  if (graph.value(codes).dtype != DType::f8e4m3) return std::nullopt;
  return scalar_constant(graph, node.inputs.at(1));
}

const Node* only_quantized_by(const Graph& graph, ValueId value) {
  const Node* reader = only_read_by(graph, value, "QuantizeLinear");
  return reader != nullptr && tensor_scale(graph, *reader) ? reader : nullptr;
}

Dequantized through_dequantize(const Graph& graph, ValueId value) {
  const Node* node = made_by(graph, value, "DequantizeLinear");
  if (node == nullptr) return {value, 1.0F, false};
  const std::optional<float> scale = tensor_scale(graph, *node);
  if (!scale || graph.is_constant(node->inputs.front())) return {value, 1.0F, false};
  return {node->inputs.front(), *scale, true};
}

void keep_steps(const Graph& graph, ValueId step, Attributes& attributes) {
  if (graph.value(step).dtype == DType::f16) attributes["steps"] = std::string("f16");
}

NodeId id_of(const Graph& graph, const Node& node) {
  const auto id = graph.find_node(node.name);
  check(id.has_value(), "node '{}' is not in graph '{}'", node.name, graph.name());
  return *id;
}

ValueId before_quantizer(const Graph& graph, ValueId value) {
  if (const Node* observe = made_by(graph, value, "Observe", kOctetDomain)) {
    return observe->inputs.front();
  }
  const Node* dequantize = made_by(graph, value, "DequantizeLinear");
  if (dequantize == nullptr) return value;
  const Node* quantize = made_by(graph, dequantize->inputs.front(), "QuantizeLinear");
  return quantize == nullptr ? value : quantize->inputs.front();
}

}  // namespace octet::passes
