#include "runtime/workspace.h"

#include <algorithm>

#include "base/error.h"

namespace octet::runtime {
namespace {

Operand operand_of(const Value& value, const SymbolSizes& sizes) {
  Operand operand;
  operand.dtype = value.dtype;
  const std::optional<Shape> shape = to_shape(octet::bind(value.dims, sizes));
  check(shape && shape->size() <= kMaxRank, "value '{}' has shape {}", value.name,
        to_string(value.dims));
  operand.rank = shape->size();
  std::ranges::copy(*shape, operand.extents.begin());
  if (value.constant) operand.data = operand_data(*value.constant);
  return operand;
}

std::vector<Operand> operands_of(const Graph& graph, const std::vector<ValueId>& ids,
                                 const SymbolSizes& sizes) {
  std::vector<Operand> operands;
  operands.reserve(ids.size());
  for (const ValueId id : ids) {
    operands.push_back(id == kNoValue ? Operand{} : operand_of(graph.value(id), sizes));
  }
  return operands;
}

}  // namespace

uint64_t workspace_bytes(const Kernel& kernel, const Graph& graph, NodeId node,
                         const SymbolSizes& sizes) {
  const Node& described = graph.node(node);
  return kernel.workspace_bytes(operands_of(graph, described.inputs, sizes),
                                operands_of(graph, described.outputs, sizes));
}

}  // namespace octet::runtime
