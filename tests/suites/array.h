#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace octet::suites {

/// A tensor as the naive references see it: every element in double, already rounded to its dtype.
struct Array {
  DType dtype = DType::f32;
  Shape shape;
  std::vector<double> values;

  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(values.size()); }
  [[nodiscard]] int64_t extent(size_t axis) const { return shape.at(axis); }
  double& operator[](int64_t index) { return values[static_cast<size_t>(index)]; }
  double operator[](int64_t index) const { return values[static_cast<size_t>(index)]; }
};

/// The value of a dtype nearest to `value`, ties to even, found by scaling and rounding in double:
/// independent of the library's codecs. E4M3 saturates; f16 and bf16 overflow to infinity.
double round_to(DType dtype, double value);

/// Values rounded to the dtype.
Array array_of(DType dtype, Shape shape, std::vector<double> values);
/// All elements zero.
Array zeros(DType dtype, Shape shape);
/// Uniform in [low, high], rounded; the same for the same seed.
Array random_array(DType dtype, Shape shape, uint64_t seed, double low = -1, double high = 1);
/// Whole numbers in [low, high].
Array random_integers(DType dtype, Shape shape, uint64_t seed, int64_t low, int64_t high);

Tensor to_tensor(const Array& array);
Array to_array(const Tensor& tensor);

/// What a result that was computed in FP32 and rounded once may differ by from the exact one:
/// |result - exact| <= relative * |exact| + absolute * max |exact| + smallest.
struct Tolerance {
  DType dtype;
  double relative;
  double absolute;
  double smallest;  ///< half the distance of the dtype's subnormals
};
const Tolerance& tolerance_of(DType dtype);

/// Same dtype and shape, every element within the tolerance of the dtype; NaN equals NaN,
/// infinities equal themselves. `exact` need not be rounded; `steps` roundings may have happened on
/// the way.
void expect_close(const Array& result, const Array& exact, double steps = 1);
/// Equal but for 2 % of the elements, where FP32 sums of another order fell to the other side of a
/// rounding; those are within the tolerance of `steps` roundings.
void expect_nearly_equal(const Array& result, const Array& exact, double steps);
/// Same dtype, shape and values.
void expect_equal(const Array& result, const Array& exact);

}  // namespace octet::suites
