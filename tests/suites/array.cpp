#include "tests/suites/array.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

#include "tensor/codecs.h"

namespace octet::suites {
namespace {

/// Bits of the significand (the leading one counted), smallest normal exponent, largest value.
struct Format {
  DType dtype;
  int precision;
  int lowest_exponent;
  double largest;
  bool saturates;
};

constexpr std::array kFormats{
    Format{DType::f32, 24, -126, 0x1.FFFFFEp127, false},
    Format{DType::f16, 11, -14, 65504, false},
    Format{DType::bf16, 8, -126, 0x1.FEp127, false},
    Format{DType::f8e4m3, 4, -6, 448, true},
};

const Format* format_of(DType dtype) {
  const auto* found = std::ranges::find(kFormats, dtype, &Format::dtype);
  return found == kFormats.end() ? nullptr : found;
}

// Sums of a few hundred products in FP32, in any order, stay within 2e-6 of the largest result.
constexpr std::array kTolerances{
    Tolerance{DType::f32, 2e-6, 2e-6, 0x1p-150},
    Tolerance{DType::f16, 0x1p-11 + 2e-6, 2e-6, 0x1p-25},
    Tolerance{DType::bf16, 0x1p-9 + 2e-6, 2e-6, 0x1p-134},
    Tolerance{DType::f8e4m3, 0x1p-4 + 2e-6, 2e-6, 0x1p-10},
    Tolerance{DType::i64, 0, 0, 0},
    Tolerance{DType::i32, 0, 0, 0},
    Tolerance{DType::boolean, 0, 0, 0},
};

bool same_value(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

bool same_form(const Array& result, const Array& exact) {
  EXPECT_EQ(result.dtype, exact.dtype) << name_of(result.dtype) << " " << name_of(exact.dtype);
  EXPECT_EQ(result.shape, exact.shape);
  return result.dtype == exact.dtype && result.shape == exact.shape;
}

template <typename T>
Tensor integers_of(const Array& array) {
  std::vector<T> stored(array.values.size());
  std::ranges::transform(array.values, stored.begin(),
                         [](double value) { return static_cast<T>(value); });
  return Tensor::from<T>(array.shape, stored);
}

}  // namespace

double round_to(DType dtype, double value) {
  const Format* format = format_of(dtype);
  if (format == nullptr || std::isnan(value)) return value;
  const double limit =
      format->saturates ? format->largest : std::numeric_limits<double>::infinity();
  if (std::isinf(value)) return std::copysign(limit, value);
  int exponent = 0;
  static_cast<void>(std::frexp(value, &exponent));
  const int last_place = std::max(exponent, format->lowest_exponent + 1) - format->precision;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -last_place)), last_place);
  return std::abs(rounded) > format->largest ? std::copysign(limit, value) : rounded;
}

Array array_of(DType dtype, Shape shape, std::vector<double> values) {
  Array array{dtype, std::move(shape), std::move(values)};
  check(array.count() == element_count(array.shape), "{} values for {}", array.count(),
        to_string(array.shape));
  for (double& value : array.values) value = round_to(dtype, value);
  return array;
}

Array zeros(DType dtype, Shape shape) {
  const auto count = static_cast<size_t>(element_count(shape));
  return {dtype, std::move(shape), std::vector<double>(count)};
}

Array random_array(DType dtype, Shape shape, uint64_t seed, double low, double high) {
  Array array = zeros(dtype, std::move(shape));
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<double> uniform(low, high);
  for (double& value : array.values) value = round_to(dtype, uniform(generator));
  return array;
}

Array random_integers(DType dtype, Shape shape, uint64_t seed, int64_t low, int64_t high) {
  Array array = zeros(dtype, std::move(shape));
  std::mt19937_64 generator(seed);
  std::uniform_int_distribution<int64_t> uniform(low, high);
  for (double& value : array.values) value = static_cast<double>(uniform(generator));
  return array;
}

Tensor to_tensor(const Array& array) {
  if (array.dtype == DType::i64) return integers_of<int64_t>(array);
  if (array.dtype == DType::i32) return integers_of<int32_t>(array);
  Tensor tensor(array.dtype, array.shape);
  std::vector<float> floats(array.values.begin(), array.values.end());
  convert_from_f32(array.dtype, floats, tensor.mutable_bytes());
  return tensor;
}

Array to_array(const Tensor& tensor) {
  Array array = zeros(tensor.dtype(), tensor.shape());
  if (tensor.dtype() == DType::i64) {
    std::ranges::copy(tensor.values<int64_t>(), array.values.begin());
    return array;
  }
  if (tensor.dtype() == DType::i32) {
    std::ranges::copy(tensor.values<int32_t>(), array.values.begin());
    return array;
  }
  std::vector<float> floats(array.values.size());
  convert_to_f32(tensor.dtype(), tensor.bytes(), floats);
  std::ranges::copy(floats, array.values.begin());
  return array;
}

const Tolerance& tolerance_of(DType dtype) {
  const auto* found = std::ranges::find(kTolerances, dtype, &Tolerance::dtype);
  check(found != kTolerances.end(), "no tolerance for {}", name_of(dtype));
  return *found;
}

void expect_close(const Array& result, const Array& exact, double steps) {
  if (!same_form(result, exact)) return;
  const Tolerance& tolerance = tolerance_of(exact.dtype);
  double largest = 0;
  for (const double value : exact.values) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  for (int64_t i = 0; i < exact.count(); ++i) {
    if (same_value(result[i], exact[i]) || same_value(result[i], round_to(exact.dtype, exact[i]))) {
      continue;
    }
    const double allowed = steps * (tolerance.relative * std::abs(exact[i]) +
                                    tolerance.absolute * largest + tolerance.smallest);
    EXPECT_LE(std::abs(result[i] - exact[i]), allowed)
        << "element " << i << " of " << to_string(exact.shape) << " " << name_of(exact.dtype)
        << ": " << result[i] << " for " << exact[i];
    if (::testing::Test::HasFailure()) return;
  }
}

void expect_nearly_equal(const Array& result, const Array& exact, double steps) {
  constexpr double kShare = 0.02;
  expect_close(result, exact, steps);
  if (::testing::Test::HasFailure()) return;
  int64_t different = 0;
  for (int64_t i = 0; i < exact.count(); ++i) different += result[i] == exact[i] ? 0 : 1;
  EXPECT_LE(static_cast<double>(different), kShare * static_cast<double>(exact.count()));
}

void expect_equal(const Array& result, const Array& exact) {
  if (!same_form(result, exact)) return;
  for (int64_t i = 0; i < exact.count(); ++i) {
    ASSERT_TRUE(same_value(result[i], exact[i]))
        << "element " << i << " of " << to_string(exact.shape) << " " << name_of(exact.dtype)
        << ": " << result[i] << " for " << exact[i];
  }
}

}  // namespace octet::suites
