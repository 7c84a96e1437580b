#include <algorithm>

#include "graph/patch.h"
#include "passes/match.h"
#include "passes/passes.h"
#include "passes/row_wise.h"

namespace octet::passes {
namespace {

/// Whether a node picks one row of each sample of its first input: [b, s, w] or packed [tokens, w]
/// to [b, w].
bool is_pooling(const Graph& graph, const Node& node) {
  if (node.is("PoolLast", kOctetDomain)) return true;
  if (!node.is("Gather") && !node.is("GatherND")) return false;
  const Dims& rows = graph.value(node.inputs[0]).dims;
  const Dims& pooled = graph.value(node.outputs[0]).dims;
  if (rows.size() != 3 || pooled.size() != 2 || pooled[0] != rows[0]) return false;
  return node.op == "Gather" ? node.integer("axis", 0) == 1 : node.integer("batch_dims", 0) == 1;
}

/// Whether two nodes pick the same rows of what may be different values.
bool picks_alike(const Node& a, const Node& b) {
  return a.op == b.op && a.domain == b.domain && a.attributes == b.attributes &&
         std::ranges::equal(std::next(a.inputs.begin()), a.inputs.end(),
                            std::next(b.inputs.begin()), b.inputs.end());
}

/// The nodes that read `value` when all of them pick the same rows as `pooling`.
bool only_pooled(const Graph& graph, ValueId value, const Node& pooling) {
  return !graph.is_output(value) && std::ranges::all_of(graph.consumers(value), [&](NodeId id) {
    const Node& node = graph.node(id);
    return node.inputs[0] == value && picks_alike(node, pooling);
  });
}

bool is_rows(const Graph& graph, ValueId value) {
  return value != kNoValue && !graph.is_constant(value);
}

/// Rows in which `node` and `value` correspond: everything but the width is the same.
bool rows_correspond(const Graph& graph, const Node& node, ValueId value) {
  const Dims& rows = graph.value(node.outputs[0]).dims;
  return std::ranges::all_of(node.inputs,
                             [&](ValueId input) {
                               if (!is_rows(graph, input)) return true;
                               const Dims& dims = graph.value(input).dims;
                               return dims.size() == rows.size() &&
                                      std::equal(dims.begin(), dims.end() - 1, rows.begin(),
                                                 rows.end() - 1);
                             }) &&
         value == node.outputs[0];
}

/// An attention whose pooled rows see every key, so that their queries alone are needed.
bool pools_queries(const Node& node, const Node& pooling) {
  if (!node.is("Attention", kOctetDomain) || node.integer("packed_qkv", 0) != 0 ||
      node.integer("pooled_query", 0) != 0) {
    return false;
  }
  return node.integer("causal", 0) == 0 || pooling.is("PoolLast", kOctetDomain);
}

/// `pooling` of another value.
ValueId pooled(const Graph& graph, Patch& patch, const Node& pooling, ValueId rows) {
  const Value& value = graph.value(rows);
  const ValueId output =
      patch.add_value(value.name + "/pooled", value.dtype,
                      {graph.value(pooling.outputs[0]).dims[0], value.dims.back()});
  Node node = pooling;
  node.name = value.name + "/pooled";
  node.inputs[0] = rows;
  node.outputs = {output};
  patch.add_node(std::move(node));
  return output;
}

/// The node behind the pooling instead of in front of it.
void swap_order(Graph& graph, const Node& producer, const Node& pooling) {
  const Value& value = graph.value(pooling.outputs[0]);
  const bool attention = producer.op == "Attention";
  Patch patch(graph);
  Node node = producer;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const bool moves = attention ? i == 0 : is_rows(graph, node.inputs[i]);
    if (moves) node.inputs[i] = pooled(graph, patch, pooling, node.inputs[i]);
  }
  if (attention) {
    node.attributes["pooled_query"] = int64_t{1};
    node.attributes["causal"] = int64_t{0};
  }
  node.outputs = {patch.add_value(value.name + "/hoisted", value.dtype, value.dims)};
  const ValueId rows = producer.outputs[0];
  for (const NodeId id : graph.consumers(rows)) {
    patch.replace(graph.node(id).outputs[0], node.outputs[0],
                  graph.node(id).outputs[0] == pooling.outputs[0]);
    patch.remove_node(id);
  }
  patch.remove_node(id_of(graph, producer));
  patch.add_node(std::move(node));
  patch.apply();
}

bool hoist_one(Graph& graph) {
  for (const NodeId id : graph.order()) {
    const Node& pooling = graph.node(id);
    if (!is_pooling(graph, pooling)) continue;
    const auto producer = graph.producer(pooling.inputs[0]);
    if (!producer || !only_pooled(graph, pooling.inputs[0], pooling)) continue;
    const Node& node = graph.node(*producer);
    const bool row_wise =
        is_row_wise(graph, node) && rows_correspond(graph, node, pooling.inputs[0]);
    if (!row_wise && !pools_queries(node, pooling)) continue;
    swap_order(graph, Node(node), Node(pooling));
    return true;
  }
  return false;
}

}  // namespace

/// Pooling picks one row of each sample. It moves up in front of everything that treats rows one by
/// one and that nothing else reads, and becomes the only query of the last attention, so that the
/// other rows are not computed there. Exact.
bool hoist_pooling(Graph& graph) {
  bool changed = false;
  while (hoist_one(graph)) changed = true;
  return changed;
}

}  // namespace octet::passes
