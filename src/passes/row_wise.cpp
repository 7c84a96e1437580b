#include "passes/row_wise.h"

#include <algorithm>
#include <array>

namespace octet::passes {
namespace {

constexpr std::array<std::string_view, 12> kRowWise{
    "Linear", "LayerNorm", "LayerNormalization", "QuickGelu",        "Gelu",    "Cast",
    "Add",    "Mul",       "QuantizeLinear",     "DequantizeLinear", "Observe", "FakeQuantizeRows"};

/// Constants that meet rows must be the same for every row.
bool constants_fit_rows(const Graph& graph, const Node& node) {
  if (node.op == "Linear") return true;
  return std::ranges::all_of(node.inputs, [&](ValueId input) {
    return !graph.is_constant(input) || graph.value(input).dims.size() <= 1;
  });
}

}  // namespace

bool is_row_wise(const Graph& graph, const Node& node) {
  const bool known = std::ranges::count(kRowWise, node.op) > 0 &&
                     (node.domain.empty() || node.domain == kOctetDomain);
  return known && constants_fit_rows(graph, node);
}

}  // namespace octet::passes
