#include "cuda/index_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace octet::cuda {
namespace {

void collect(const Dims& dims, size_t operand, std::vector<SymbolPlace>& places) {
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    if (!dims[axis].is_symbolic()) continue;
    const std::string& symbol = dims[axis].symbol();
    if (std::ranges::find(places, symbol, &SymbolPlace::symbol) != places.end()) continue;
    places.push_back({symbol, operand, axis});
  }
}

}  // namespace

std::vector<SymbolPlace> symbols_of(const Graph& graph, const Node& node) {
  std::vector<SymbolPlace> places;
  size_t operand = 0;
  for (const auto* ids : {&node.inputs, &node.outputs}) {
    for (const ValueId id : *ids) {
      if (id != kNoValue) collect(graph.value(id).dims, operand, places);
      ++operand;
    }
  }
  return places;
}

std::string IndexText::extent(const Dim& dim) const {
  if (!dim.is_symbolic()) return std::to_string(dim.size());
  const auto place = std::ranges::find(places_, dim.symbol(), &SymbolPlace::symbol);
  check(place != places_.end(), "symbol '{}' belongs to no operand", dim.symbol());
  return fmt::format("Index(sizes.at[{}])", place - places_.begin());
}

std::string IndexText::count(std::span<const Dim> dims) const {
  std::string product = "1";
  for (const Dim& dim : dims) product = times(product, extent(dim));
  return product;
}

std::string IndexText::stride(const Dims& dims, size_t axis) const {
  return count(std::span(dims).subspan(axis + 1));
}

std::string IndexText::coordinate(const Dims& dims, size_t axis, const std::string& index) const {
  if (dims[axis] == Dim(1)) return "0";
  const std::string behind = stride(dims, axis);
  const std::string whole = behind == "1" ? index : fmt::format("{} / ({})", index, behind);
  const bool outermost = count(std::span(dims).first(axis)) == "1";
  return outermost ? fmt::format("({})", whole)
                   : fmt::format("({} % {})", whole, extent(dims[axis]));
}

std::string IndexText::broadcast_offset(const Dims& from, const Dims& to,
                                        const std::string& index) const {
  if (from == to) return index;
  const size_t lead = to.size() - from.size();
  std::string offset = "0";
  for (size_t axis = 0; axis < from.size(); ++axis) {
    if (from[axis] == Dim(1)) continue;
    offset = plus(offset, times(coordinate(to, lead + axis, index), stride(from, axis)));
  }
  return offset;
}

std::string times(const std::string& a, const std::string& b) {
  if (a == "0" || b == "0") return "0";
  if (a == "1") return b;
  return b == "1" ? a : fmt::format("{} * {}", a, b);
}

std::string plus(const std::string& a, const std::string& b) {
  if (a == "0") return b;
  return b == "0" ? a : fmt::format("{} + {}", a, b);
}

std::string number_text(float value) {
  if (std::isnan(value)) return "__int_as_float(0x7fffffff)";
  if (std::isinf(value))
    return value > 0 ? "__int_as_float(0x7f800000)" : "__int_as_float(0xff800000)";
  return fmt::format("({:a}f)", value);
}

}  // namespace octet::cuda
