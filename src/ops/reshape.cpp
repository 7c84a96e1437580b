#include "ops/reshape.h"

#include <algorithm>

namespace octet {
namespace {

/// A product of extents: its number and its symbols, sorted.
struct Product {
  int64_t number = 1;
  std::vector<std::string> symbols;
  friend bool operator==(const Product&, const Product&) = default;
};

Product product_of(const Dims& dims) {
  Product product;
  for (const Dim& dim : dims) {
    if (dim.is_symbolic()) {
      product.symbols.push_back(dim.symbol());
    } else if (__builtin_mul_overflow(product.number, dim.size(), &product.number)) {
      fail_input("the extents {} are of too many elements", to_string(dims));
    }
  }
  std::ranges::sort(product.symbols);
  return product;
}

bool is_open(const Dim& dim) {
  return dim.is_symbolic() && dim.symbol().empty();
}

/// whole / part, when `part` divides it and the result is a number or one symbol.
std::optional<Dim> quotient(const Product& whole, const Product& part) {
  if (part.number == 0 || whole.number % part.number != 0) return std::nullopt;
  if (!std::ranges::includes(whole.symbols, part.symbols)) return std::nullopt;
  std::vector<std::string> left;
  std::ranges::set_difference(whole.symbols, part.symbols, std::back_inserter(left));
  const int64_t number = whole.number / part.number;
  if (left.empty()) return Dim(number);
  if (left.size() == 1 && number == 1) return Dim(left.front());
  return std::nullopt;
}

Dims copy_zeros(const InferenceContext& context, const Dims& dims, const Dims& target) {
  Dims result = target;
  for (size_t i = 0; i < result.size(); ++i) {
    if (result[i] != Dim(int64_t{0})) continue;
    if (i >= dims.size()) {
      context.refuse(fmt::format("the 0 at place {} of the target copies an axis that {} lacks", i,
                                 to_string(dims)));
    }
    result[i] = dims[i];
  }
  return result;
}

[[noreturn]] void refuse_reshape(const InferenceContext& context, const Dims& dims,
                                 const Dims& target) {
  context.refuse(
      fmt::format("{} cannot take the shape {}; the counts differ or an extent would "
                  "have no name",
                  to_string(dims), to_string(target)));
}

}  // namespace

Dims reshape_dims(const InferenceContext& context, const Dims& dims, const Dims& target,
                  bool allow_zero) {
  Dims result = allow_zero ? target : copy_zeros(context, dims, target);
  const Product whole = product_of(dims);
  const auto open = std::ranges::find_if(result, is_open);
  if (open == result.end()) {
    if (whole != product_of(result)) refuse_reshape(context, dims, result);
    return result;
  }
  if (std::count_if(result.begin(), result.end(), is_open) > 1) {
    context.refuse("the target has more than one -1");
  }
  *open = 1;
  const auto rest = quotient(whole, product_of(result));
  *open = -1;
  if (!rest) refuse_reshape(context, dims, result);
  *open = *rest;
  return result;
}

Dim product_extent(const InferenceContext& context, const Dims& dims) {
  const auto product = quotient(product_of(dims), {});
  if (product) return *product;
  context.refuse(fmt::format("the product of {} would have no name", to_string(dims)));
}

}  // namespace octet
