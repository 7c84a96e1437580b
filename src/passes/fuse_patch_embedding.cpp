#include "graph/patch.h"
#include "passes/match.h"
#include "passes/passes.h"
#include "tensor/layout.h"

namespace octet::passes {
namespace {

struct PatchMatch {
  const Node* convolution = nullptr;
  const Node* end = nullptr;  ///< the Add whose result is replaced
  ValueId positions{};
  int64_t patch = 0;
  int64_t leading = 0;
};

/// Kernel size when the convolution cuts its input into patches: stride = kernel, no bias, padding
/// or dilation, constant weight.
std::optional<int64_t> patch_size(const Graph& graph, const Node& conv) {
  const bool plain =
      conv.inputs.size() == 2 && conv.integer("group", 1) == 1 && graph.is_constant(conv.inputs[1]);
  if (!plain) return std::nullopt;
  const Tensor& weight = *graph.value(conv.inputs[1]).constant;
  const std::vector<int64_t> square{weight.extent(2), weight.extent(2)};
  const auto absent_or = [&](std::string_view key, int64_t value) {
    for (const int64_t item : conv.integers(key)) {
      if (item != value) return false;
    }
    return true;
  };
  if (weight.extent(2) != weight.extent(3) || conv.integers("strides") != square ||
      !absent_or("pads", 0) || !absent_or("dilations", 1)) {
    return std::nullopt;
  }
  return weight.extent(2);
}

/// Rows of zeros that a Pad puts in front along axis 1; nullopt when it pads anything else.
std::optional<int64_t> leading_rows(const Graph& graph, const Node& pad) {
  const auto pads = integer_constant(graph, pad.inputs.at(1));
  if (!pads || pads->size() != 6 || pad.text("mode", "constant") != "constant") return std::nullopt;
  if (pad.inputs.size() > 2 && scalar_constant(graph, pad.inputs[2]) != 0.0F) return std::nullopt;
  const std::vector<int64_t> only_front{0, (*pads)[1], 0, 0, 0, 0};
  return *pads == only_front ? std::optional((*pads)[1]) : std::nullopt;
}

std::optional<PatchMatch> match(const Graph& graph, const Node& conv) {
  if (!conv.is("Conv")) return std::nullopt;
  const std::optional<int64_t> patch = patch_size(graph, conv);
  const Node* reshape = only_read_by(graph, conv.outputs[0], "Reshape");
  if (!patch || reshape == nullptr) return std::nullopt;
  const Node* transpose = only_read_by(graph, reshape->outputs[0], "Transpose");
  const bool to_rows = transpose != nullptr &&
                       transpose->integers("perm") == std::vector<int64_t>{0, 2, 1} &&
                       graph.value(reshape->outputs[0]).dims.size() == 3;
  if (!to_rows) return std::nullopt;
  PatchMatch found{&conv, nullptr, {}, *patch, 0};
  ValueId rows = transpose->outputs[0];
  if (const Node* pad = only_read_by(graph, rows, "Pad")) {
    const std::optional<int64_t> leading = leading_rows(graph, *pad);
    if (!leading || *leading > 1) return std::nullopt;
    found.leading = *leading;
    rows = pad->outputs[0];
  }
  found.end = only_read_by(graph, rows, "Add");
  if (found.end == nullptr) return std::nullopt;
  found.positions = other_input(*found.end, rows);
  const bool table = graph.is_constant(found.positions) &&
                     graph.value(found.positions).dims.size() == 2 &&
                     graph.value(found.positions).dims[0] == graph.value(rows).dims[1];
  return table ? std::optional(found) : std::nullopt;
}

}  // namespace

/// Conv (stride = kernel) → rows → Pad (class row) → Add positions → octet.PatchEmbedding. The
/// weight becomes a matrix [channels * patch * patch, width].
bool fuse_patch_embedding(Graph& graph) {
  for (const NodeId id : graph.order()) {
    const std::optional<PatchMatch> found = match(graph, graph.node(id));
    if (!found) continue;
    const Node& conv = *found->convolution;
    const Value& weight = graph.value(conv.inputs[1]);
    const Value& value = graph.value(found->end->outputs[0]);
    const int64_t width = weight.constant->extent(0);
    Patch patch(graph);
    const ValueId matrix = patch.add_constant(
        weight.name,
        transpose_2d(weight.constant->reshaped({width, weight.constant->count() / width})));
    const ValueId fused = patch.add_value(value.name + "/fused", value.dtype, value.dims);
    Attributes attributes{{"patch", found->patch}, {"leading", found->leading}};
    keep_steps(graph, conv.outputs[0], attributes);
    patch.add_node({conv.name,
                    std::string(kOctetDomain),
                    "PatchEmbedding",
                    {conv.inputs[0], matrix, found->positions},
                    {fused},
                    std::move(attributes)});
    patch.remove_node(id);
    patch.replace(found->end->outputs[0], fused);
    patch.remove_node(id_of(graph, *found->end));
    patch.apply();
    return true;
  }
  return false;
}

}  // namespace octet::passes
