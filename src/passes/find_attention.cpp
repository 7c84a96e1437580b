#include <cmath>

#include "passes/match.h"
#include "passes/passes.h"
#include "tensor/codecs.h"

namespace octet::passes {
namespace {

/// Zero on and below the diagonal, very negative above it.
bool is_causal_mask(const Tensor& mask) {
  if (mask.rank() < 2 || !is_float(mask.dtype())) return false;
  const int64_t rows = mask.extent(mask.rank() - 2);
  const int64_t columns = mask.extent(mask.rank() - 1);
  if (rows != columns || mask.count() != rows * columns) return false;
  constexpr float kMasked = -1e4F;  // exp of it is 0 in every format
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      const float value = element_as_f32(mask, row * columns + column);
      if (column <= row ? value != 0.0F : value > kMasked) return false;
    }
  }
  return true;
}

/// "text_model.encoder.layers.0.self_attn/softmax" → "text_model.encoder.layers.0.self_attn"
std::string module_of(const std::string& node_name) {
  const size_t slash = node_name.rfind('/');
  return slash == std::string::npos ? node_name : node_name.substr(0, slash);
}

/// The product that reads the probabilities, directly or through a quantizer.
const Node* values_product(const Graph& graph, ValueId probabilities) {
  ValueId current = probabilities;
  for (int hops = 0; hops < 3; ++hops) {
    const auto reader = graph.sole_consumer(current);
    if (!reader) return nullptr;
    const Node& node = graph.node(*reader);
    if (node.is("MatMul")) return node.inputs[0] == current ? &node : nullptr;
    const bool quantizer = node.is("QuantizeLinear") || node.is("DequantizeLinear") ||
                           node.is("Observe", kOctetDomain);
    if (!quantizer) return nullptr;
    current = node.outputs.front();
  }
  return nullptr;
}

void add_mask(const Graph& graph, ValueId mask, AttentionMatch& match) {
  match.causal = graph.is_constant(mask) && is_causal_mask(*graph.value(mask).constant);
  if (!match.causal) match.mask = mask;
}

std::optional<AttentionMatch> match_softmax(const Graph& graph, const Node& softmax) {
  AttentionMatch match;
  ValueId scores = softmax.inputs.front();
  if (const Node* add = made_by(graph, scores, "Add")) {
    const bool first_is_product = made_by(graph, add->inputs[0], "MatMul") != nullptr;
    scores = add->inputs[first_is_product ? 0 : 1];
    add_mask(graph, add->inputs[first_is_product ? 1 : 0], match);
  }
  const Node* product = made_by(graph, scores, "MatMul");
  const Node* values = values_product(graph, softmax.outputs.front());
  if (product == nullptr || values == nullptr) return std::nullopt;
  if (graph.is_constant(product->inputs[1]) || graph.is_constant(values->inputs[1])) {
    return std::nullopt;
  }
  match.name = module_of(softmax.name);
  match.scores = id_of(graph, *product);
  match.softmax = id_of(graph, softmax);
  match.values = id_of(graph, *values);
  match.q = before_quantizer(graph, product->inputs[0]);
  match.k = before_quantizer(graph, product->inputs[1]);
  match.v = before_quantizer(graph, values->inputs[1]);
  match.probabilities = softmax.outputs.front();
  match.output = values->outputs.front();
  return match;
}

}  // namespace

std::vector<AttentionMatch> find_attention(const Graph& graph) {
  std::vector<AttentionMatch> matches;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!node.is("Softmax")) continue;
    if (auto match = match_softmax(graph, node)) matches.push_back(std::move(*match));
  }
  return matches;
}

}  // namespace octet::passes
