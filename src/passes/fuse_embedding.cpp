#include "graph/patch.h"
#include "passes/match.h"
#include "passes/passes.h"

namespace octet::passes {
namespace {

struct EmbeddingMatch {
  const Node* gather = nullptr;
  ValueId positions{};
};

/// Add(Gather(table, ids), positions [s, w]) where s is the whole sequence.
std::optional<EmbeddingMatch> match(const Graph& graph, const Node& add) {
  if (!add.is("Add")) return std::nullopt;
  for (const size_t index : {0, 1}) {
    const Node* gather = made_by(graph, add.inputs[index], "Gather");
    const ValueId positions = add.inputs[1 - index];
    if (gather == nullptr || gather->integer("axis", 0) != 0) continue;
    if (!graph.is_constant(gather->inputs[0]) || !graph.is_constant(positions)) continue;
    const Value& ids = graph.value(gather->inputs[1]);
    const Value& table = graph.value(positions);
    const bool fits = ids.dtype == DType::i64 && ids.dims.size() == 2 && table.dims.size() == 2 &&
                      ids.dims[1] == table.dims[0];
    if (fits && graph.sole_consumer(gather->outputs[0])) return EmbeddingMatch{gather, positions};
  }
  return std::nullopt;
}

}  // namespace

/// Gather of token rows + position table → octet.Embedding(ids, table, positions)
bool fuse_embedding(Graph& graph) {
  for (const NodeId id : graph.order()) {
    const Node& add = graph.node(id);
    const std::optional<EmbeddingMatch> found = match(graph, add);
    if (!found) continue;
    const Value& value = graph.value(add.outputs[0]);
    Patch patch(graph);
    const ValueId fused = patch.add_value(value.name + "/fused", value.dtype, value.dims);
    patch.add_node({add.name,
                    std::string(kOctetDomain),
                    "Embedding",
                    {found->gather->inputs[1], found->gather->inputs[0], found->positions},
                    {fused},
                    {}});
    patch.remove_node(id);
    patch.replace(add.outputs[0], fused);
    patch.apply();
    fuse_embedding(graph);
    return true;
  }
  return false;
}

}  // namespace octet::passes
