#include <algorithm>

#include "ops/rules.h"

namespace octet {
namespace {

double bytes_of(const Value& value, const SymbolSizes& sizes) {
  return count_of(octet::bind(value.dims, sizes)) * static_cast<double>(size_of(value.dtype));
}

}  // namespace

Dims bind(const Dims& dims, const SymbolSizes& sizes) {
  Dims bound = dims;
  for (Dim& dim : bound) {
    if (!dim.is_symbolic()) continue;
    const auto found = sizes.find(dim.symbol());
    if (found != sizes.end()) dim = found->second;
  }
  return bound;
}

double bytes_touched(const Graph& graph, const Node& node, const SymbolSizes& sizes) {
  const OpSchema* schema = find_op(node.domain, node.op);
  if (schema == nullptr || schema->is_view) return 0;
  double written = 0;
  for (const ValueId output : node.outputs) written += bytes_of(graph.value(output), sizes);
  double read = 0;
  for (const ValueId input : node.inputs) {
    if (input == kNoValue) continue;
    const double bytes = bytes_of(graph.value(input), sizes);
    read += schema->gathers ? std::min(bytes, written) : bytes;
  }
  return read + written;
}

Cost cost_of(const Graph& graph, NodeId id, const SymbolSizes& sizes) {
  const Node& node = graph.node(id);
  InferenceContext context = context_of(graph, node);
  const OpSchema* schema = find_op(node.domain, node.op);
  if (schema == nullptr) context.refuse("the operator is not known");
  for (ValueType& type : context.types) type.dims = octet::bind(type.dims, sizes);
  Cost cost;
  if (schema->flops != nullptr) cost.flops = schema->flops(context);
  cost.bytes = bytes_touched(graph, node, sizes);
  return cost;
}

}  // namespace octet
