#include "cuda/units.h"

#include <numeric>

namespace octet::cuda {
namespace {

constexpr int64_t kMostBytes = 16;

}  // namespace

Units::Units(const Graph& graph, const Node& node, int64_t step)
    : graph_(graph), node_(node), index_(symbols_of(graph, node)) {
  const Value& y = graph.value(node.outputs.at(0));
  step = std::gcd(step, last_step(graph, node.outputs[0]));
  const auto size = static_cast<int64_t>(size_of(y.dtype));
  while (step != 0 && step % (2 * elements_) == 0 && 2 * elements_ * size <= kMostBytes) {
    elements_ *= 2;
  }
  type_ = bits_name(static_cast<size_t>(elements_ * size));
}

Dims Units::dims(ValueId value) const {
  Dims dims = graph_.value(value).dims;
  if (!dims.empty() && !dims.back().is_symbolic()) dims.back() = dims.back().size() / elements_;
  return dims;
}

int64_t last_step(const Graph& graph, ValueId value) {
  const Dims& dims = graph.value(value).dims;
  return dims.empty() || dims.back().is_symbolic() ? 1 : dims.back().size();
}

}  // namespace octet::cuda
