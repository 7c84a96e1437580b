#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace octet::passes {

/// A rewrite: returns whether it changed the graph. Idempotent: a second run changes nothing.
struct Pass {
  std::string_view name;
  std::string_view meaning;
  bool (*run)(Graph&);
};

/// Runs passes in order: skips those named in `disabled` or in the knob OCTET_DISABLE_PASS, infers
/// and verifies types after each that changed something, dumps the graph's text where
/// OCTET_DUMP_GRAPH says, honours interrupts. Returns the names of the passes that changed
/// something. Throws `Error(usage)` for a disabled name that no pass has.
std::vector<std::string> run_passes(Graph& graph, std::span<const Pass> passes,
                                    std::span<const std::string> disabled);

/// Device-independent clean-up of any graph.
std::span<const Pass> canonical_passes();
/// Fusions into the `octet` domain that backends with fused kernels run in `lower`.
std::span<const Pass> fusion_passes();
/// Every pass, for listings and for checking names.
std::vector<Pass> all_passes();

// One file each; see the file for the pattern.
bool remove_identities(Graph& graph);
bool share_quantize(Graph& graph);
bool hoist_quantize(Graph& graph);
bool fuse_activation(Graph& graph);
bool fuse_embedding(Graph& graph);
bool fuse_patch_embedding(Graph& graph);
bool fuse_attention(Graph& graph);
bool fuse_linear(Graph& graph);
bool fuse_layer_norm(Graph& graph);
bool skip_padding(Graph& graph);
bool hoist_pooling(Graph& graph);
bool merge_qkv(Graph& graph);

/// One attention block found by its structure, whatever Q/DQ stands inside it.
struct AttentionMatch {
  std::string name;  ///< module path, "text_model.encoder.layers.0.self_attn"
  NodeId scores{};   ///< MatMul of q and k
  NodeId softmax{};
  NodeId values{};          ///< MatMul of probabilities and v
  ValueId q{};              ///< [b, h, s, d], scaled, before its quantizer
  ValueId k{};              ///< [b, h, d, s] (transposed), before its quantizer
  ValueId v{};              ///< [b, h, s, d], before its quantizer
  ValueId probabilities{};  ///< softmax output, before its quantizer
  ValueId output{};         ///< [b, h, s, d], output of `values`
  bool causal = false;
  std::optional<ValueId> mask;  ///< additive mask that is not simply causal
};

/// Every softmax between two matrix products. Looks through Q/DQ pairs and `octet.Observe`.
std::vector<AttentionMatch> find_attention(const Graph& graph);

/// Looks back through DequantizeLinear(QuantizeLinear(x)) and Observe: the value before them.
ValueId before_quantizer(const Graph& graph, ValueId value);

}  // namespace octet::passes
