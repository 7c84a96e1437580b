#include "graph/patch.h"
#include "passes/match.h"
#include "passes/passes.h"

namespace octet::passes {
namespace {

/// Transpose, or a Reshape that splits an axis; a merge of heads stays in front of its quantizer,
/// where attention looks for it.
bool may_pass(const Graph& graph, const Node& layout) {
  if (layout.is("Transpose")) return true;
  return layout.is("Reshape") &&
         graph.value(layout.outputs[0]).dims.size() > graph.value(layout.inputs[0]).dims.size();
}

/// The layout operator whose result only `quantizer` reads; nullptr when it may not move.
const Node* layout_before(const Graph& graph, const Node& quantizer) {
  const ValueId moved = quantizer.inputs[0];
  const auto producer = graph.producer(moved);
  if (!producer || !graph.sole_consumer(moved)) return nullptr;
  const Node& layout = graph.node(*producer);
  return may_pass(graph, layout) ? &layout : nullptr;
}

bool is_elementwise_quantizer(const Graph& graph, const Node& node) {
  if (node.is("Observe", kOctetDomain)) return true;
  return node.is("QuantizeLinear") && tensor_scale(graph, node).has_value();
}

/// layout(x) → q   becomes   q(x) → layout. The codes keep the name they had.
void swap(Graph& graph, const Node& layout, const Node& quantizer) {
  const ValueId source = layout.inputs[0];
  const ValueId codes = quantizer.outputs[0];
  const DType dtype = graph.value(codes).dtype;
  Patch patch(graph);
  const ValueId early =
      patch.add_value(graph.value(codes).name + "/early", dtype, graph.value(source).dims);
  const ValueId late =
      patch.add_value(graph.value(codes).name + "/late", dtype, graph.value(codes).dims);
  Node new_quantizer = quantizer;
  new_quantizer.inputs[0] = source;
  new_quantizer.outputs = {early};
  Node new_layout = layout;
  new_layout.inputs[0] = early;
  new_layout.outputs = {late};
  patch.remove_node(id_of(graph, quantizer));
  patch.remove_node(id_of(graph, layout));
  patch.add_node(std::move(new_quantizer));
  patch.add_node(std::move(new_layout));
  patch.replace(codes, late);
  patch.apply();
}

bool swap_one(Graph& graph) {
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!is_elementwise_quantizer(graph, node)) continue;
    if (const Node* layout = layout_before(graph, node)) {
      swap(graph, *layout, node);
      return true;
    }
  }
  return false;
}

}  // namespace

/// Reshape or Transpose followed by a quantizer of the whole tensor → the quantizer first. Exact:
/// it works element by element. Products can then write codes directly.
bool hoist_quantize(Graph& graph) {
  bool changed = false;
  while (swap_one(graph)) changed = true;
  return changed;
}

}  // namespace octet::passes
