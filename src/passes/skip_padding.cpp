#include <algorithm>
#include <set>

#include "graph/patch.h"
#include "passes/match.h"
#include "passes/passes.h"
#include "passes/row_wise.h"

namespace octet::passes {
namespace {

constexpr const char* kRows = "tokens";

struct TextTower {
  const Node* embedding = nullptr;
  const Node* pooling = nullptr;  ///< GatherND
  std::vector<NodeId> attentions;
  int64_t eos_token_id = -1;  ///< -1: the first largest id
};

/// The id whose first position `position` [b, 1] holds, or -1 for the position of the largest id.
std::optional<int64_t> eos_rule(const Graph& graph, ValueId position, ValueId ids) {
  const Node* arg_max = made_by(graph, position, "ArgMax");
  if (arg_max == nullptr || arg_max->integer("axis", 0) != 1) return std::nullopt;
  ValueId searched = arg_max->inputs[0];
  if (const Node* cast = made_by(graph, searched, "Cast")) searched = cast->inputs[0];
  if (searched == ids) return -1;
  const Node* equal = made_by(graph, searched, "Equal");
  if (equal == nullptr) return std::nullopt;
  const bool compares_ids = equal->inputs[0] == ids || equal->inputs[1] == ids;
  const auto wanted = integer_constant(graph, other_input(*equal, ids));
  if (!compares_ids || !wanted || wanted->size() != 1) return std::nullopt;
  return wanted->front();
}

/// Follows every reader of the embedding: all must be row-wise or causal attention until the
/// pooling; nothing else may look at the padded rows.
bool collect(const Graph& graph, TextTower& tower) {
  std::vector<ValueId> open{tower.embedding->outputs[0]};
  std::set<ValueId> seen;
  while (!open.empty()) {
    const ValueId value = open.back();
    open.pop_back();
    if (!seen.insert(value).second) continue;
    if (graph.is_output(value)) return false;
    for (const NodeId id : graph.consumers(value)) {
      const Node& node = graph.node(id);
      if (node.is("GatherND") && tower.pooling == nullptr) {
        tower.pooling = &node;
        continue;
      }
      const bool attention = node.is("Attention", kOctetDomain) && node.integer("causal", 0) == 1 &&
                             node.inputs.size() == 3;
      if (!attention && !is_row_wise(graph, node)) return false;
      if (attention && std::ranges::count(tower.attentions, id) == 0)
        tower.attentions.push_back(id);
      open.push_back(node.outputs[0]);
    }
  }
  return tower.pooling != nullptr;
}

std::optional<TextTower> match(const Graph& graph) {
  for (const NodeId id : graph.order()) {
    TextTower tower;
    tower.embedding = &graph.node(id);
    if (!tower.embedding->is("Embedding", kOctetDomain) || tower.embedding->inputs.size() != 3) {
      continue;
    }
    if (!collect(graph, tower) || tower.pooling->integer("batch_dims", 0) != 1) continue;
    const auto eos = eos_rule(graph, tower.pooling->inputs[1], tower.embedding->inputs[0]);
    if (!eos) continue;
    tower.eos_token_id = *eos;
    return tower;
  }
  return std::nullopt;
}

/// The node once more, reading `ranges` too and writing packed rows [tokens, width].
void with_ranges(const Graph& graph, Patch& patch, const Node& node, ValueId ranges) {
  const Value& value = graph.value(node.outputs[0]);
  const ValueId packed =
      patch.add_value(value.name + "/packed", value.dtype, {Dim(kRows), value.dims.back()});
  Node replacement = node;
  replacement.inputs.push_back(ranges);
  replacement.outputs = {packed};
  patch.remove_node(id_of(graph, node));
  patch.add_node(std::move(replacement));
  patch.replace(node.outputs[0], packed);
}

}  // namespace

/// A causal text tower that is pooled at its end token never needs what stands behind that token:
/// rows of all samples, each up to its end token, are packed into [tokens, width]. Exact.
bool skip_padding(Graph& graph) {
  const std::optional<TextTower> tower = match(graph);
  if (!tower) return false;
  const ValueId ids = tower->embedding->inputs[0];
  Patch patch(graph);
  const ValueId ranges =
      patch.add_value("row_ranges", DType::i32, {graph.value(ids).dims[0], Dim(2)});
  patch.add_node({"row_ranges",
                  std::string(kOctetDomain),
                  "RowRanges",
                  {ids},
                  {ranges},
                  {{"eos_token_id", tower->eos_token_id}, {"symbol", std::string(kRows)}}});
  with_ranges(graph, patch, *tower->embedding, ranges);
  for (const NodeId id : tower->attentions) with_ranges(graph, patch, graph.node(id), ranges);
  const Value& pooled = graph.value(tower->pooling->outputs[0]);
  const ValueId last = patch.add_value(pooled.name + "/packed", pooled.dtype, pooled.dims);
  patch.add_node({tower->pooling->name,
                  std::string(kOctetDomain),
                  "PoolLast",
                  {tower->pooling->inputs[0], ranges},
                  {last},
                  {}});
  patch.remove_node(id_of(graph, *tower->pooling));
  patch.replace(tower->pooling->outputs[0], last);
  patch.apply();
  return true;
}

}  // namespace octet::passes
