#include "graph/patch.h"
#include "ops/ops.h"
#include "passes/passes.h"

namespace octet::passes {
namespace {

bool is_identity(const Graph& graph, const Node& node) {
  if (node.is("Identity")) return true;
  if (!node.is("Cast")) return false;
  return graph.value(node.inputs[0]).dtype == dtype_from_onnx(node.integer("to", 0));
}

}  // namespace

/// Identity(x) → x, Cast(x) to x's own type → x. Those that name a graph output stay.
bool remove_identities(Graph& graph) {
  Patch patch(graph);
  bool changed = false;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!is_identity(graph, node) || graph.is_output(node.outputs[0])) continue;
    patch.replace(node.outputs[0], node.inputs[0], false);
    changed = true;
  }
  if (changed) patch.apply();
  return changed;
}

}  // namespace octet::passes
