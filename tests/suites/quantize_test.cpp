#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/suites/naive.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

OCTET_SUITE(Quantize);

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// The quotient is rounded to FP32, then to E4M3: the one rounding rule of every path.
double quantized(double value, double scale) {
  return round_to(DType::f8e4m3, round_to(DType::f32, value / scale));
}

Feed zero_point() {
  return Feed::constant(zeros(DType::f8e4m3, {}));
}

TEST_P(Quantize, PerTensor) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const double factor : {0.0078125, 0.3, 2.5}) {
      const Array scale = array_of(dtype, {}, {factor});
      Array x = random_array(dtype, {5, 129}, 1, -4, 4);
      const std::vector<double> special{kNan, kInfinity, -kInfinity, 0, -0.0, 1000, 464 * factor};
      for (size_t i = 0; i < special.size(); ++i) x.values[i * 7] = round_to(dtype, special[i]);
      const Array codes =
          solve(GetParam(), {"", "QuantizeLinear", {}, {x, Feed::constant(scale), zero_point()}});
      Array expected = map(x, [&](double value) { return quantized(value, scale[0]); });
      expected.dtype = DType::f8e4m3;
      expect_equal(codes, expected);
    }
  }
}

/// Every code, the two NaNs included, times a scale.
TEST_P(Quantize, DequantizesEveryCode) {
  Array codes = zeros(DType::f8e4m3, {256});
  const Tensor bytes(DType::f8e4m3, {256});
  Tensor filled = bytes.clone();
  for (size_t i = 0; i < 256; ++i) filled.mutable_values<uint8_t>()[i] = static_cast<uint8_t>(i);
  codes = to_array(filled);
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    const Array scale = array_of(dtype, {}, {0.0123});
    const Array y = solve(
        GetParam(), {"", "DequantizeLinear", {}, {codes, Feed::constant(scale), zero_point()}});
    Array expected = map(codes, [&](double value) { return value * scale[0]; });
    expected.dtype = dtype;
    expect_equal(y, as(dtype, expected));
  }
}

TEST_P(Quantize, PerChannelAlongEveryAxis) {
  const Shape shape{3, 5, 7};
  for (const int64_t axis : {0, 1, 2, -1}) {
    const size_t index = axis < 0 ? 2 : static_cast<size_t>(axis);
    const Array x = random_array(DType::f16, shape, 2, -8, 8);
    const Array scale = random_array(DType::f16, {shape[index]}, 3, 0.001, 0.1);
    Array expected = zeros(DType::f8e4m3, shape);
    Array back = zeros(DType::f16, shape);
    for (int64_t i = 0; i < x.count(); ++i) {
      const double factor = scale[coordinates(i, shape)[index]];
      expected[i] = quantized(x[i], factor);
      back[i] = round_to(DType::f16, expected[i] * factor);
    }
    const Array codes =
        solve(GetParam(),
              {"", "QuantizeLinear", {{"axis", axis}}, {x, Feed::constant(scale), zero_point()}});
    expect_equal(codes, expected);
    expect_equal(solve(GetParam(),
                       {"", "DequantizeLinear", {{"axis", axis}}, {codes, Feed::constant(scale)}}),
                 back);
  }
}

/// Every row with the range of its own.
Array fake_quantized_rows(const Array& x) {
  const int64_t width = x.shape.back();
  Array result = x;
  for (int64_t begin = 0; begin < x.count(); begin += width) {
    double amax = 0;
    for (int64_t i = begin; i < begin + width; ++i) amax = std::max(amax, std::abs(x[i]));
    const double scale = round_to(DType::f32, (amax <= 0x1p-24 ? 1 : amax) / 448);
    for (int64_t i = begin; i < begin + width; ++i) {
      result[i] = round_to(x.dtype, quantized(x[i], scale) * scale);
    }
  }
  return result;
}

TEST_P(Quantize, FakeQuantizeRows) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    for (const int64_t width : {1, 8, 77}) {
      Array x = random_array(dtype, {2, 3, width}, 4, -5, 5);
      std::fill_n(x.values.begin(), width, 0.0);  // a row without range keeps the range of 1
      expect_equal(solve(GetParam(), {"octet", "FakeQuantizeRows", {}, {x}}),
                   fake_quantized_rows(x));
    }
  }
}

TEST_P(Quantize, SymbolicBatch) {
  const Array x = random_array(DType::f16, {6, 19}, 5, -2, 2);
  const Array scale = array_of(DType::f16, {}, {0.01});
  Prepared prepared(
      GetParam(),
      Problem{
          "", "QuantizeLinear", {}, {Feed(x, {"batch", 19}), Feed::constant(scale), zero_point()}});
  for (const int64_t batch : {6, 1, 3}) {
    const Array part = first_rows(x, batch);
    Array expected = map(part, [&](double value) { return quantized(value, scale[0]); });
    expected.dtype = DType::f8e4m3;
    expect_equal(prepared.run({part}).front(), expected);
  }
}

}  // namespace
}  // namespace octet::suites
