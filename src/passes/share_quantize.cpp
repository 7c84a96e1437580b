#include <map>
#include <tuple>

#include "graph/patch.h"
#include "passes/match.h"
#include "passes/passes.h"

namespace octet::passes {

/// QuantizeLinear (and DequantizeLinear) nodes of one value with equal scales become one, so that
/// the products that share an input also share its codes. Bit-equal by construction.
bool share_quantize(Graph& graph) {
  std::map<std::tuple<std::string, ValueId, float>, ValueId> first;
  std::map<ValueId, ValueId> shared;
  Patch patch(graph);
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    const std::optional<float> scale = tensor_scale(graph, node);
    if (!scale || graph.is_output(node.outputs[0])) continue;
    ValueId input = node.inputs[0];
    if (const auto found = shared.find(input); found != shared.end()) input = found->second;
    const auto [place, fresh] = first.try_emplace({node.op, input, *scale}, node.outputs[0]);
    if (fresh) continue;
    shared[node.outputs[0]] = place->second;
    patch.replace(node.outputs[0], place->second, false);
  }
  if (shared.empty()) return false;
  patch.apply();
  return true;
}

}  // namespace octet::passes
