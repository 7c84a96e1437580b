#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/suites/naive.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

OCTET_SUITE(Normalization);

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Array layer_norm(const Array& x, const Array& gain, const Array& shift, double epsilon) {
  const int64_t width = x.shape.back();
  Array y = x;
  for (int64_t row = 0; row < x.count() / width; ++row) {
    double mean = 0;
    double variance = 0;
    for (int64_t i = 0; i < width; ++i) mean += x[row * width + i] / static_cast<double>(width);
    for (int64_t i = 0; i < width; ++i) {
      variance += std::pow(x[row * width + i] - mean, 2) / static_cast<double>(width);
    }
    for (int64_t i = 0; i < width; ++i) {
      y[row * width + i] =
          (x[row * width + i] - mean) / std::sqrt(variance + epsilon) * gain[i] + shift[i];
    }
  }
  return y;
}

constexpr float kEpsilon = 1e-5F;

TEST_P(Normalization, LayerNormalization) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    for (const Shape& shape :
         {Shape{1}, Shape{3, 2}, Shape{2, 5, 17}, Shape{4, 768}, Shape{7, 65}}) {
      SCOPED_TRACE(to_string(shape));
      const Array x = random_array(dtype, shape, 1, -2, 6);
      const Array gain = random_array(dtype, {shape.back()}, 2, 0.5, 2);
      const Array shift = random_array(dtype, {shape.back()}, 3);
      const Attributes attributes{{"axis", int64_t{-1}}, {"epsilon", kEpsilon}};
      expect_close(solve(GetParam(), {"",
                                      "LayerNormalization",
                                      attributes,
                                      {x, Feed::constant(gain), Feed::constant(shift)}}),
                   layer_norm(x, gain, shift, kEpsilon));
      expect_close(
          solve(GetParam(), {"", "LayerNormalization", attributes, {x, Feed::constant(gain)}}),
          layer_norm(x, gain, zeros(dtype, {shape.back()}), kEpsilon));
    }
  }
}

/// The mean is far larger than the spread: a one-pass variance would lose it.
TEST_P(Normalization, LayerNormalizationOfAnOffset) {
  Array x = random_array(DType::f32, {5, 300}, 4);
  for (double& value : x.values) value = round_to(DType::f32, value + 1000);
  const Array gain = array_of(DType::f32, {300}, std::vector<double>(300, 1.0));
  const Array shift = zeros(DType::f32, {300});
  const Array y = solve(GetParam(), {"",
                                     "LayerNormalization",
                                     {{"epsilon", kEpsilon}},
                                     {x, Feed::constant(gain), Feed::constant(shift)}});
  // The mean itself is only known to half a unit of 1000 in FP32: 3e-5 of the spread.
  const Array exact = layer_norm(x, gain, shift, kEpsilon);
  for (int64_t i = 0; i < y.count(); ++i) ASSERT_NEAR(y[i], exact[i], 2e-4) << i;
}

TEST_P(Normalization, LayerNormStoresEveryDtype) {
  constexpr double kScale = 0.0078125;
  for (const DType in : {DType::f32, DType::f16}) {
    for (const DType out : {DType::f32, DType::f16, DType::f8e4m3}) {
      for (const int64_t width : {1, 33, 512}) {
        const Array x = random_array(in, {2, 3, width}, 5, -3, 3);
        const Array gain = random_array(DType::f16, {width}, 6, 0.5, 2);
        const Array shift = random_array(DType::f16, {width}, 7);
        const Attributes attributes{{"epsilon", kEpsilon},
                                    {"out_dtype", std::string(name_of(out))},
                                    {"y_scale", static_cast<float>(kScale)}};
        Array exact = layer_norm(x, gain, shift, kEpsilon);
        if (out == DType::f8e4m3) exact = divided(exact, kScale);
        exact.dtype = out;
        expect_close(solve(GetParam(), {"octet",
                                        "LayerNorm",
                                        attributes,
                                        {x, Feed::constant(gain), Feed::constant(shift)}}),
                     exact);
      }
    }
  }
}

/// FP16 before the codes, as LayerNormalization and QuantizeLinear of an FP16 graph do.
TEST_P(Normalization, LayerNormRoundsToF16BeforeTheCodes) {
  const double scale = 0.0123291015625;
  const Array x = random_array(DType::f16, {9, 130}, 13, -3, 3);
  const Array gain = random_array(DType::f16, {130}, 14, 0.5, 2);
  const Array shift = random_array(DType::f16, {130}, 15);
  const Attributes attributes{{"epsilon", kEpsilon},
                              {"out_dtype", std::string("f8e4m3")},
                              {"y_scale", static_cast<float>(scale)},
                              {"steps", std::string("f16")}};
  const Problem problem{
      "octet", "LayerNorm", attributes, {x, Feed::constant(gain), Feed::constant(shift)}};
  const Array rows = as(DType::f16, layer_norm(x, gain, shift, kEpsilon));
  Array codes = as(DType::f32, divided(as(DType::f32, rows), scale));
  expect_nearly_equal(solve(GetParam(), problem), as(DType::f8e4m3, codes), 2);
}

TEST_P(Normalization, NanStaysInItsRow) {
  Array x = random_array(DType::f32, {3, 40}, 8);
  x.values[45] = std::numeric_limits<double>::quiet_NaN();
  const Array gain = random_array(DType::f32, {40}, 9);
  const Array y = solve(
      GetParam(), {"", "LayerNormalization", {{"epsilon", kEpsilon}}, {x, Feed::constant(gain)}});
  expect_close(y, layer_norm(x, gain, zeros(DType::f32, {40}), kEpsilon));
}

Array softmax(const Array& x, size_t axis) {
  Array y = x;
  for (int64_t i = 0; i < x.count(); ++i) {
    Shape at = coordinates(i, x.shape);
    const int64_t own = at[axis];
    double sum = 0;
    for (at[axis] = 0; at[axis] < x.shape[axis]; ++at[axis]) {
      Shape self = at;
      self[axis] = own;
      sum += std::exp(x[index_of(at, x.shape)] - x[index_of(self, x.shape)]);
    }
    y[i] = 1 / sum;
  }
  return y;
}

TEST_P(Normalization, SoftmaxAlongEveryAxis) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    for (const int64_t axis : {0, 1, 2, -1}) {
      const Array x = random_array(dtype, {3, 4, 50}, 10, -8, 8);
      expect_close(solve(GetParam(), {"", "Softmax", {{"axis", axis}}, {x}}),
                   softmax(x, axis < 0 ? 2 : static_cast<size_t>(axis)));
    }
  }
}

TEST_P(Normalization, SoftmaxOfMaskedAndLargeScores) {
  const Array x =
      array_of(DType::f32, {2, 4}, {1, -kInfinity, 3, -kInfinity, 1e30, 1e30, -1e30, -kInfinity});
  const Array expected =
      array_of(DType::f32, {2, 4},
               {1 / (1 + std::exp(2.0)), 0, 1 / (1 + std::exp(-2.0)), 0, 0.5, 0.5, 0, 0});
  expect_close(solve(GetParam(), {"", "Softmax", {}, {x}}), expected);
}

TEST_P(Normalization, SymbolicBatch) {
  const Array x = random_array(DType::f16, {6, 3, 21}, 11);
  const Array gain = random_array(DType::f16, {21}, 12);
  Prepared prepared(GetParam(), Problem{"",
                                        "LayerNormalization",
                                        {{"epsilon", kEpsilon}},
                                        {Feed(x, {"batch", 3, 21}), Feed::constant(gain)}});
  for (const int64_t batch : {6, 1, 4}) {
    const Array part = first_rows(x, batch);
    expect_close(prepared.run({part}).front(),
                 layer_norm(part, gain, zeros(DType::f16, {21}), kEpsilon));
  }
}

}  // namespace
}  // namespace octet::suites
