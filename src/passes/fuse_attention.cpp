#include "base/log.h"
#include "graph/patch.h"
#include "passes/match.h"
#include "passes/passes.h"

namespace octet::passes {
namespace {

const std::vector<int64_t> kHeadsFirst{0, 2, 1, 3};
const std::vector<int64_t> kTransposedHeads{0, 2, 3, 1};

struct Operand {
  ValueId rows{};  ///< [b, s, heads * d], codes when quantized
  float scale = 1.0F;
  bool quantized = false;
  int64_t heads = 0;
};

/// Looks back from an operand of a product: Dequantize?, Transpose(`permutation`),
/// Reshape [b, s, h, d].
std::optional<Operand> head_split(const Graph& graph, ValueId value,
                                  const std::vector<int64_t>& permutation) {
  const Dequantized source = through_dequantize(graph, value);
  const Node* transpose = made_by(graph, source.value, "Transpose");
  if (transpose == nullptr || transpose->integers("perm") != permutation) return std::nullopt;
  const Node* reshape = made_by(graph, transpose->inputs[0], "Reshape");
  if (reshape == nullptr) return std::nullopt;
  const Dims& split = graph.value(reshape->outputs[0]).dims;
  const Dims& rows = graph.value(reshape->inputs[0]).dims;
  const bool splits_last = split.size() == 4 && rows.size() == 3 && split[0] == rows[0] &&
                           split[1] == rows[1] && !split[2].is_symbolic();
  if (!splits_last) return std::nullopt;
  return Operand{reshape->inputs[0], source.scale, source.quantized, split[2].size()};
}

/// Transpose and Reshape that put the heads back side by side; the Reshape, or nullptr.
const Node* head_merge(const Graph& graph, ValueId mixed) {
  const Node* transpose = only_read_by(graph, mixed, "Transpose");
  if (transpose == nullptr || transpose->integers("perm") != kHeadsFirst) return nullptr;
  const Node* reshape = only_read_by(graph, transpose->outputs[0], "Reshape");
  const bool merges = reshape != nullptr && graph.value(reshape->outputs[0]).dims.size() == 3;
  return merges ? reshape : nullptr;
}

struct Fusion {
  Operand q;
  Operand k;
  Operand v;
  float softmax_scale = 0.0F;
  ValueId output{};              ///< the value that the fused node replaces
  std::optional<float> y_scale;  ///< when that value is E4M3 codes
};

std::string find_parts(const Graph& graph, const AttentionMatch& match, Fusion& fusion) {
  const Node& scores = graph.node(match.scores);
  const Node& values = graph.node(match.values);
  if (match.mask) return "its mask is not simply causal";
  const auto q = head_split(graph, scores.inputs[0], kHeadsFirst);
  const auto k = head_split(graph, scores.inputs[1], kTransposedHeads);
  const auto v = head_split(graph, values.inputs[1], kHeadsFirst);
  if (!q || !k || !v) return "q, k or v is not split into heads by Reshape and Transpose";
  if (q->quantized != k->quantized || q->quantized != v->quantized) {
    return "only some of q, k and v are quantized";
  }
  const Dequantized probabilities = through_dequantize(graph, values.inputs[0]);
  if (before_quantizer(graph, values.inputs[0]) != match.probabilities ||
      made_by(graph, values.inputs[0], "Observe", kOctetDomain) != nullptr) {
    return "something else than a quantizer stands behind the softmax";
  }
  fusion.q = *q;
  fusion.k = *k;
  fusion.v = *v;
  fusion.softmax_scale = probabilities.quantized ? probabilities.scale : 0.0F;
  const Node* merge = head_merge(graph, match.output);
  if (merge == nullptr) return "its output does not merge the heads by Transpose and Reshape";
  fusion.output = merge->outputs[0];
  if (const Node* quantize = only_quantized_by(graph, fusion.output)) {
    fusion.output = quantize->outputs[0];
    fusion.y_scale = tensor_scale(graph, *quantize);
  }
  return {};
}

void rewrite(Graph& graph, const AttentionMatch& match, const Fusion& fusion) {
  const Value& value = graph.value(fusion.output);
  Patch patch(graph);
  const ValueId fused = patch.add_value(value.name + "/fused", value.dtype, value.dims);
  Attributes attributes{{"heads", fusion.q.heads},
                        {"causal", int64_t{match.causal}},
                        {"scale", 1.0F},
                        {"softmax_scale", fusion.softmax_scale},
                        {"out_dtype", std::string(name_of(value.dtype))}};
  if (fusion.q.quantized) {
    attributes["q_scale"] = fusion.q.scale;
    attributes["k_scale"] = fusion.k.scale;
    attributes["v_scale"] = fusion.v.scale;
  }
  if (fusion.y_scale) attributes["y_scale"] = *fusion.y_scale;
  keep_steps(graph, match.probabilities, attributes);
  patch.add_node({match.name,
                  std::string(kOctetDomain),
                  "Attention",
                  {fusion.q.rows, fusion.k.rows, fusion.v.rows},
                  {fused},
                  std::move(attributes)});
  patch.replace(fusion.output, fused);
  patch.apply();
}

}  // namespace

/// Softmax between two products, with the head split before and the head merge behind it
/// → octet.Attention on rows [b, s, heads * d]. Quantizers of q, k, v, probabilities and output
/// become its scales.
bool fuse_attention(Graph& graph) {
  bool changed = false;
  for (const AttentionMatch& match : find_attention(graph)) {
    Fusion fusion;
    const std::string reason = find_parts(graph, match, fusion);
    if (reason.empty()) {
      rewrite(graph, match, fusion);
      changed = true;
    } else {
      log_debug("{}: attention '{}' is not fused: {}", graph.name(), match.name, reason);
    }
  }
  return changed;
}

}  // namespace octet::passes
