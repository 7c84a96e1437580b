#include "graph/patch.h"
#include "passes/match.h"
#include "passes/passes.h"

namespace octet::passes {
namespace {

bool normalizes_last_axis(const Graph& graph, const Node& node) {
  const auto rank = static_cast<int64_t>(graph.value(node.inputs[0]).dims.size());
  const int64_t axis = node.integer("axis", -1);
  return axis == -1 || axis == rank - 1;
}

}  // namespace

/// LayerNormalization whose only reader quantizes → octet.LayerNorm that writes codes.
bool fuse_layer_norm(Graph& graph) {
  bool changed = false;
  for (const NodeId id : std::vector<NodeId>(graph.order())) {
    if (!graph.is_live(id)) continue;
    const Node norm = graph.node(id);
    if (!norm.is("LayerNormalization") || !normalizes_last_axis(graph, norm)) continue;
    const Node* quantize = only_quantized_by(graph, norm.outputs[0]);
    if (quantize == nullptr) continue;
    const ValueId codes = quantize->outputs[0];
    const Value& value = graph.value(codes);
    Patch patch(graph);
    const ValueId fused = patch.add_value(value.name + "/fused", value.dtype, value.dims);
    Attributes attributes{{"epsilon", norm.number("epsilon", 1e-5F)},
                          {"out_dtype", std::string(name_of(value.dtype))},
                          {"y_scale", *tensor_scale(graph, *quantize)}};
    keep_steps(graph, norm.outputs[0], attributes);
    patch.add_node({norm.name,
                    std::string(kOctetDomain),
                    "LayerNorm",
                    norm.inputs,
                    {fused},
                    std::move(attributes)});
    patch.remove_node(id);
    patch.replace(codes, fused);
    patch.apply();
    changed = true;
  }
  return changed;
}

}  // namespace octet::passes
