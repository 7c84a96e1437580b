#pragma once

#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace octet::cuda {

/// Where a run finds the size of a symbol: an axis of a node's operand, inputs before outputs.
struct SymbolPlace {
  std::string symbol;
  size_t operand = 0;
  size_t axis = 0;
};

/// Every symbol in the extents of a node's operands, once, in order.
std::vector<SymbolPlace> symbols_of(const Graph& graph, const Node& node);

/// Index arithmetic as text of a kernel. Extents that are known stand as numbers, so that the
/// compiler can divide by them; symbols are read from the kernel's parameter `sizes`.
class IndexText {
 public:
  explicit IndexText(std::vector<SymbolPlace> places) : places_(std::move(places)) {}

  [[nodiscard]] std::string extent(const Dim& dim) const;
  /// Product of all extents.
  [[nodiscard]] std::string count(std::span<const Dim> dims) const;
  /// Elements from one index of an axis to the next.
  [[nodiscard]] std::string stride(const Dims& dims, size_t axis) const;
  /// The index along an axis of element `index`, counted row-major in `dims`.
  [[nodiscard]] std::string coordinate(const Dims& dims, size_t axis,
                                       const std::string& index) const;
  /// Where `from` has the element that belongs to element `index` of `to`, which it is broadcast
  /// to.
  [[nodiscard]] std::string broadcast_offset(const Dims& from, const Dims& to,
                                             const std::string& index) const;

 private:
  std::vector<SymbolPlace> places_;
};

/// a * b and a + b without what changes nothing.
std::string times(const std::string& a, const std::string& b);
std::string plus(const std::string& a, const std::string& b);
/// A float as C++ text, to the bit.
std::string number_text(float value);

}  // namespace octet::cuda
