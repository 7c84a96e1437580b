// octet.Linear on packed weights: everything around the product, which product_test covers.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/threads.h"
#include "cpu/fast_kernels.h"
#include "cpu/matrix.h"
#include "tensor/codecs.h"
#include "tests/cpu/one_node.h"
#include "tests/cpu/random_tensor.h"

namespace octet::cpu {
namespace {

// Share of the largest output: FP32 sums and activations; rounding to f16 (2^-11); E4M3 outputs may
// fall on the neighbouring code where FP32 differs around a rounding boundary.
constexpr double kFloatTolerance = 3e-6;
constexpr double kHalfTolerance = 0x1p-11 + kFloatTolerance;
constexpr double kCodeTolerance = 0x1p-4 + kFloatTolerance;

struct Case {
  DType x = DType::f32;
  DType w = DType::f32;
  DType out = DType::f32;
  DType residual = DType::f32;
  int64_t rows = 5;
  int64_t columns = 80;
  int64_t depth = 72;
  bool per_column = false;
  bool has_scale = false;
  bool has_bias = false;
  bool has_residual = false;
  std::string activation = "none";
  std::string steps = "f32";
};

std::string describe(const Case& c) {
  return fmt::format("{} x {} -> {}, residual {}, M{} N{} K{}, {}", name_of(c.x), name_of(c.w),
                     name_of(c.out), name_of(c.residual), c.rows, c.columns, c.depth, c.activation);
}

double activate(const std::string& name, double x) {
  if (name == "quick_gelu") return x / (1 + std::exp(-1.702 * x));
  if (name == "gelu") return x / 2 * std::erfc(-x / std::sqrt(2.0));
  if (name == "gelu_tanh") {
    return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  return x;
}

constexpr double kXScale = 0.75;
constexpr double kAlpha = 0.125;
constexpr double kYScale = 0.02;

struct Operands {
  Tensor x;
  Tensor w;
  Tensor scale;
  Tensor bias;
  Tensor residual;
};

Operands operands_of(const Case& c) {
  return {random_tensor(c.x, {1, c.rows, c.depth}, 1), random_tensor(c.w, {c.depth, c.columns}, 2),
          random_tensor(DType::f32, c.per_column ? Shape{c.columns} : Shape{}, 3),
          random_tensor(DType::f16, {c.columns}, 4),
          random_tensor(c.residual, {1, c.rows, c.columns}, 5)};
}

std::vector<double> exact(const Case& c, const Operands& operands) {
  const auto x = as_doubles(operands.x);
  const auto w = as_doubles(operands.w);
  const auto scale = as_doubles(operands.scale);
  const auto bias = as_doubles(operands.bias);
  const auto residual = as_doubles(operands.residual);
  std::vector<double> y;
  for (int64_t m = 0; m < c.rows; ++m) {
    for (int64_t n = 0; n < c.columns; ++n) {
      double sum = 0.0;
      for (int64_t k = 0; k < c.depth; ++k) {
        sum += x[static_cast<size_t>(m * c.depth + k)] * w[static_cast<size_t>(k * c.columns + n)];
      }
      const auto column = static_cast<size_t>(n);
      if (c.has_scale) sum *= scale[c.per_column ? column : 0];
      double value = kAlpha * (kXScale * sum + (c.has_bias ? bias[column] : 0.0));
      value = activate(c.activation, value);
      y.push_back(value + (c.has_residual ? residual[y.size()] : 0.0));
    }
  }
  return y;
}

Tensor solve(const Case& c, const Operands& operands) {
  OneNode node(kOctetDomain, "Linear",
               {{"x_scale", static_cast<float>(kXScale)},
                {"alpha", static_cast<float>(kAlpha)},
                {"activation", c.activation},
                {"steps", c.steps},
                {"out_dtype", std::string(name_of(c.out))},
                {"y_scale", static_cast<float>(kYScale)}});
  node.input(operands.x).constant(operands.w);
  c.has_scale ? node.constant(operands.scale) : node.left_out();
  c.has_bias ? node.constant(operands.bias) : node.left_out();
  if (c.has_residual) node.input(operands.residual);
  node.output(c.out, {1, c.rows, c.columns});
  return node.run(linear_packed());
}

double tolerance_of(DType out) {
  if (out == DType::f16) return kHalfTolerance;
  return out == DType::f8e4m3 ? kCodeTolerance : kFloatTolerance;
}

void expect_right(const Case& c) {
  const Operands operands = operands_of(c);
  const auto expected = exact(c, operands);
  const auto result = as_doubles(solve(c, operands));
  double largest = 0.0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < expected.size(); ++i) {
    const double factor = c.out == DType::f8e4m3 ? kYScale : 1.0;
    // E4M3's smallest step near zero is 2^-9.
    const double floor = c.out == DType::f8e4m3 ? kYScale * 0x1p-10 : largest * kFloatTolerance;
    ASSERT_NEAR(result[i] * factor, expected[i],
                tolerance_of(c.out) * std::abs(expected[i]) + floor)
        << describe(c) << " at " << i;
  }
}

class LinearPacked : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { force_matrix_set(GetParam()); }
  void TearDown() override { force_matrix_set(""); }
};

std::vector<std::string> available_sets() {
  std::vector<std::string> names;
  for (const MatrixSet& set : matrix_sets()) {
    if (set.available()) names.emplace_back(set.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Sets, LinearPacked, ::testing::ValuesIn(available_sets()),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(LinearPacked, EveryTypeInAndOut) {
  for (const DType x : {DType::f32, DType::f16, DType::f8e4m3}) {
    for (const DType w : {DType::f32, DType::f16, DType::bf16, DType::f8e4m3}) {
      for (const DType out : {DType::f32, DType::f16, DType::f8e4m3}) {
        Case c;
        c.x = x;
        c.w = w;
        c.out = out;
        c.has_scale = true;
        c.per_column = w == DType::f8e4m3;
        c.has_bias = true;
        expect_right(c);
      }
    }
  }
}

TEST_P(LinearPacked, EveryActivation) {
  for (const char* activation : {"none", "quick_gelu", "gelu", "gelu_tanh"}) {
    for (const int64_t columns : {64, 65, 104}) {
      Case c;
      c.activation = activation;
      c.columns = columns;
      c.has_bias = true;
      expect_right(c);
      c.has_residual = true;
      expect_right(c);
    }
  }
}

TEST_P(LinearPacked, EveryResidual) {
  for (const DType residual : {DType::f32, DType::f16}) {
    for (const DType out : {DType::f32, DType::f16, DType::f8e4m3}) {
      for (const int64_t columns : {1, 32, 33}) {
        Case c;
        c.residual = residual;
        c.out = out;
        c.columns = columns;
        c.has_residual = true;
        expect_right(c);
      }
    }
  }
}

TEST_P(LinearPacked, ManyRows) {
  Case c;
  c.x = DType::f8e4m3;
  c.w = DType::f8e4m3;
  c.rows = 257;
  c.depth = 88;
  c.columns = 104;
  c.has_scale = true;
  expect_right(c);
}

/// Codes that stand in a table by their FP16 number, most of them looked up during later products.
TEST_P(LinearPacked, CodesOfF16StepsAreThoseOfTheF16Result) {
  for (const auto& [rows, activation] : {std::pair{1, "quick_gelu"},
                                         {13, "quick_gelu"},
                                         {77, "quick_gelu"},
                                         {300, "quick_gelu"},
                                         {127, "none"},
                                         {128, "none"}}) {
    Case c{DType::f8e4m3, DType::f8e4m3, DType::f16};
    c.rows = rows;
    c.columns = 456;
    c.depth = 712;
    c.has_scale = true;
    c.has_bias = true;
    c.activation = activation;
    c.steps = "f16";
    Operands operands = operands_of(c);
    operands.scale = Tensor::scalar(0.01F);
    const Tensor halves = solve(c, operands);
    c.out = DType::f8e4m3;
    const Tensor codes = solve(c, operands);
    for (int64_t i = 0; i < codes.count(); ++i) {
      ASSERT_EQ(static_cast<uint8_t>(codes.bytes()[static_cast<size_t>(i)]),
                quantize_e4m3(element_as_f32(halves, i), static_cast<float>(kYScale)))
          << describe(c) << " at " << i;
    }
  }
}

TEST_P(LinearPacked, ThreadsDoNotMatter) {
  Case c;
  c.rows = 70;
  c.columns = 200;
  c.activation = "quick_gelu";
  c.has_bias = true;
  const Operands operands = operands_of(c);
  set_thread_count(1);
  const Tensor one = solve(c, operands);
  set_thread_count(2);
  EXPECT_EQ(solve(c, operands), one);
  set_thread_count(0);
}

TEST(LinearRefusals, ComputedWeightsAndUnknownTypes) {
  OneNode computed(kOctetDomain, "Linear");
  computed.input(random_tensor(DType::f32, {2, 4}, 1))
      .input(random_tensor(DType::f32, {4, 8}, 2))
      .output(DType::f32, {2, 8});
  EXPECT_NE(computed.refusal(linear_packed()), std::nullopt);
  OneNode wide(kOctetDomain, "Linear");
  wide.input(Tensor(DType::f64, {2, 4}))
      .constant(random_tensor(DType::f32, {4, 8}, 2))
      .output(DType::f32, {2, 8});
  EXPECT_NE(wide.refusal(linear_packed()), std::nullopt);
}

}  // namespace
}  // namespace octet::cpu
