#include <cmath>

#include "graph/patch.h"
#include "passes/match.h"
#include "passes/passes.h"

namespace octet::passes {
namespace {

/// Input x of Mul(x, Sigmoid(Mul(x, 1.702))); nullopt when `node` is no such product.
std::optional<ValueId> quick_gelu_input(const Graph& graph, const Node& node) {
  if (!node.is("Mul")) return std::nullopt;
  for (const size_t index : {0, 1}) {
    const Node* sigmoid = made_by(graph, node.inputs[1 - index], "Sigmoid");
    if (sigmoid == nullptr || !graph.sole_consumer(sigmoid->outputs[0])) continue;
    const Node* scaled = made_by(graph, sigmoid->inputs[0], "Mul");
    if (scaled == nullptr) continue;
    const ValueId x = node.inputs[index];
    const std::optional<float> factor = scalar_constant(graph, other_input(*scaled, x));
    const bool reads_x = scaled->inputs[0] == x || scaled->inputs[1] == x;
    constexpr float kHalfUlp = 1e-3F;  // 1.702 rounded to FP16 or BF16 still counts
    if (reads_x && factor && std::abs(*factor - 1.702F) < kHalfUlp * 4) return x;
  }
  return std::nullopt;
}

}  // namespace

/// x * sigmoid(1.702 x) → octet.QuickGelu(x)
bool fuse_activation(Graph& graph) {
  bool changed = false;
  for (const NodeId id : std::vector<NodeId>(graph.order())) {
    if (!graph.is_live(id)) continue;
    const Node node = graph.node(id);
    const std::optional<ValueId> x = quick_gelu_input(graph, node);
    if (!x) continue;
    const Value value = graph.value(node.outputs[0]);
    Patch patch(graph);
    const ValueId fused = patch.add_value(value.name + "/fused", value.dtype, value.dims);
    patch.add_node({node.name, std::string(kOctetDomain), "QuickGelu", {*x}, {fused}, {}});
    patch.remove_node(id);
    patch.replace(node.outputs[0], fused);
    patch.apply();
    changed = true;
  }
  return changed;
}

}  // namespace octet::passes
