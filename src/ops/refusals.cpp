#include "ops/refusals.h"

#include <algorithm>

#include <fmt/format.h>

namespace octet {
namespace {

Refusal refuse_value(const Value& value, std::initializer_list<DType> taken) {
  if (std::ranges::find(taken, value.dtype) != taken.end()) return std::nullopt;
  return fmt::format("'{}' is {}, which this kernel does not take", value.name,
                     name_of(value.dtype));
}

}  // namespace

Refusal refuse_dtype(const Graph& graph, const Node& node, size_t input,
                     std::initializer_list<DType> taken) {
  if (!has_input(node, input)) return std::nullopt;
  return refuse_value(graph.value(node.inputs[input]), taken);
}

Refusal refuse_output_dtype(const Graph& graph, const Node& node,
                            std::initializer_list<DType> taken) {
  return refuse_value(graph.value(node.outputs.at(0)), taken);
}

Refusal refuse_computed(const Graph& graph, const Node& node, size_t input) {
  if (!has_input(node, input) || graph.is_constant(node.inputs[input])) return std::nullopt;
  return fmt::format("'{}' is computed at run time; this kernel prepares it once",
                     graph.value(node.inputs[input]).name);
}

const Tensor* constant_input(const Graph& graph, const Node& node, size_t input) {
  return has_input(node, input) ? &*graph.value(node.inputs[input]).constant : nullptr;
}

}  // namespace octet
