#include "passes/precision.h"

#include <set>

#include "base/error.h"
#include "passes/match.h"
#include "passes/passes.h"

namespace octet::passes {
namespace {

bool from_e4m3(const Graph& graph, ValueId operand) {
  const Node* dequantize = made_by(graph, operand, "DequantizeLinear");
  return dequantize != nullptr && graph.value(dequantize->inputs[0]).dtype == DType::f8e4m3;
}

/// "q and v are not quantized", or empty when all are.
std::string missing_text(const std::vector<std::string>& missing) {
  if (missing.empty()) return {};
  return fmt::format("{} {} not quantized", fmt::join(missing, " and "),
                     missing.size() == 1 ? "is" : "are");
}

PartPrecision part(const std::string& name, const std::vector<std::string>& missing,
                   const std::string& when_fp8) {
  return {name, missing.empty(), missing.empty() ? when_fp8 : missing_text(missing)};
}

}  // namespace

std::vector<PartPrecision> product_precisions(const Graph& graph) {
  std::set<NodeId> in_attention;
  for (const AttentionMatch& match : find_attention(graph)) {
    in_attention.insert({match.scores, match.values});
  }
  std::vector<PartPrecision> parts;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!node.is("MatMul") || in_attention.contains(id)) continue;
    std::vector<std::string> missing;
    if (!from_e4m3(graph, node.inputs[0])) missing.emplace_back("its input");
    if (!from_e4m3(graph, node.inputs[1])) missing.emplace_back("its weight");
    parts.push_back(part(node.name, missing, "input and weight are E4M3"));
  }
  return parts;
}

std::vector<PartPrecision> attention_precisions(const Graph& graph) {
  std::vector<PartPrecision> parts;
  for (const AttentionMatch& match : find_attention(graph)) {
    const Node& scores = graph.node(match.scores);
    const Node& values = graph.node(match.values);
    std::vector<std::string> missing;
    if (!from_e4m3(graph, scores.inputs[0])) missing.emplace_back("q");
    if (!from_e4m3(graph, scores.inputs[1])) missing.emplace_back("k");
    if (!from_e4m3(graph, values.inputs[1])) missing.emplace_back("v");
    if (!from_e4m3(graph, values.inputs[0])) missing.emplace_back("the softmax output");
    parts.push_back(part(match.name, missing, "q, k, v and the softmax output are E4M3"));
  }
  return parts;
}

}  // namespace octet::passes
