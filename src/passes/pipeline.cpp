#include <algorithm>
#include <array>
#include <sstream>

#include "base/error.h"
#include "base/files.h"
#include "base/knob.h"
#include "base/log.h"
#include "base/progress.h"
#include "graph/graph_text.h"
#include "ops/ops.h"
#include "passes/passes.h"

namespace octet::passes {
namespace {

constexpr std::array kCanonical{
    Pass{"remove_identities", "drops Identity and casts to the same type", remove_identities},
    Pass{"share_quantize", "equal quantizers of one value become one", share_quantize},
};

constexpr std::array kFusion{
    Pass{"hoist_quantize", "quantizes before Reshape and Transpose, where the value is made",
         hoist_quantize},
    Pass{"fuse_activation", "x * sigmoid(1.702 x) → QuickGelu", fuse_activation},
    Pass{"fuse_embedding", "token and position look-up → Embedding", fuse_embedding},
    Pass{"fuse_patch_embedding", "convolution, class row and positions → PatchEmbedding",
         fuse_patch_embedding},
    Pass{"fuse_attention", "scores, mask, softmax, values and their quantizers → Attention",
         fuse_attention},
    Pass{"fuse_linear", "product, bias, factor, activation, residual, quantizers → Linear",
         fuse_linear},
    Pass{"skip_padding", "text runs on packed rows up to its end token", skip_padding},
    Pass{"hoist_pooling", "rows that pooling drops are not computed", hoist_pooling},
    Pass{"fuse_layer_norm", "LayerNormalization and the quantizer behind it → LayerNorm",
         fuse_layer_norm},
    Pass{"merge_qkv", "the products that make q, k and v become one", merge_qkv},
};

std::vector<std::string> split_names(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream stream(list);
  for (std::string name; std::getline(stream, name, ',');) {
    if (!name.empty()) names.push_back(name);
  }
  return names;
}

void check_names(const std::vector<std::string>& names) {
  const std::vector<Pass> known = all_passes();
  for (const std::string& name : names) {
    if (std::ranges::find(known, name, &Pass::name) != known.end()) continue;
    std::vector<std::string_view> all;
    all.reserve(known.size());
    for (const Pass& pass : known) all.push_back(pass.name);
    fail(ErrorCode::usage, "no pass is called '{}'; there are {}", name, fmt::join(all, ", "));
  }
}

void dump(const Graph& graph, std::string_view pass) {
  const std::string folder = knob("OCTET_DUMP_GRAPH");
  if (folder.empty()) return;
  write_text(fmt::format("{}/{}-{}.txt", folder, graph.name(), pass), to_text(graph));
}

}  // namespace

std::span<const Pass> canonical_passes() {
  return kCanonical;
}

std::span<const Pass> fusion_passes() {
  return kFusion;
}

std::vector<Pass> all_passes() {
  std::vector<Pass> all(kCanonical.begin(), kCanonical.end());
  all.insert(all.end(), kFusion.begin(), kFusion.end());
  return all;
}

std::vector<std::string> run_passes(Graph& graph, std::span<const Pass> passes,
                                    std::span<const std::string> disabled) {
  std::vector<std::string> off = split_names(knob("OCTET_DISABLE_PASS"));
  off.insert(off.end(), disabled.begin(), disabled.end());
  check_names(off);
  std::vector<std::string> effective;
  for (const Pass& pass : passes) {
    throw_if_interrupted();
    if (std::ranges::count(off, pass.name) > 0) continue;
    if (!pass.run(graph)) continue;
    infer_types(graph);
    graph.verify();
    log_debug("{}: pass {} changed the graph", graph.name(), pass.name);
    dump(graph, pass.name);
    effective.emplace_back(pass.name);
  }
  return effective;
}

}  // namespace octet::passes
