// Accuracy of the vector exp and of the activations made of it, against the C library in double.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "cpu/elementwise.h"
#include "cpu/vector_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/cpu/exp_test.cpp"
#include "hwy/foreach_target.h"
// foreach_target comes first
#include "cpu/exp-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace octet::cpu {
namespace HWY_NAMESPACE {
namespace {

void exp_all(const float* x, int64_t count, float* y) {
  const hn::CappedTag<float, 16> d;
  for (int64_t i = 0; i < count; i += static_cast<int64_t>(hn::Lanes(d))) {
    hn::StoreU(exp_of(d, hn::LoadU(d, x + i)), d, y + i);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace octet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace octet::cpu {
namespace {

HWY_EXPORT(exp_all);

// Tolerances: of exp relative; of activations relative to |x| (they are x times a share of 1).
constexpr double kExpTolerance = 1.5e-7;
constexpr double kActivationTolerance = 4e-7;

class Exp : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { force_vector_target(GetParam()); }
  void TearDown() override { force_vector_target(""); }
};
INSTANTIATE_TEST_SUITE_P(Targets, Exp, ::testing::ValuesIn(vector_targets()),
                         [](const auto& instance) { return instance.param; });

std::vector<float> evenly(float from, float to, size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = from + (to - from) * static_cast<float>(i) / static_cast<float>(count - 1);
  }
  return values;
}

std::vector<float> exponentials(const std::vector<float>& x) {
  std::vector<float> y(x.size());
  HWY_DYNAMIC_DISPATCH(exp_all)(x.data(), static_cast<int64_t>(x.size()), y.data());
  return y;
}

TEST_P(Exp, IsAccurate) {
  for (const auto& [from, to] : {std::pair{-87.0F, 88.0F}, {-1.0F, 1.0F}, {-1e-3F, 1e-3F}}) {
    const auto x = evenly(from, to, 1 << 18);
    const auto y = exponentials(x);
    for (size_t i = 0; i < x.size(); ++i) {
      const double exact = std::exp(double{x[i]});
      ASSERT_NEAR(y[i] / exact, 1.0, kExpTolerance) << x[i];
    }
  }
}

TEST_P(Exp, KeepsZeroAndNaNAndStaysFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> x(16, 0.0F);
  x[1] = std::numeric_limits<float>::quiet_NaN();
  x[2] = -kInfinity;
  x[3] = kInfinity;
  x[4] = -1e30F;
  const auto y = exponentials(x);
  EXPECT_EQ(y[0], 1.0F);
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_LT(y[2], 2e-38F);
  EXPECT_GT(y[3], 1e38F);
  EXPECT_LT(y[4], 2e-38F);
}

void expect_activation(Activation activation, double (*exact)(double)) {
  auto x = evenly(-20.0F, 20.0F, 1 << 16);
  const auto fine = evenly(-1.0F, 1.0F, 1 << 16);
  x.insert(x.end(), fine.begin(), fine.end());
  std::vector<float> y(x.size());
  activate_elements(activation, DType::f32, reinterpret_cast<const std::byte*>(x.data()),
                    static_cast<int64_t>(x.size()), reinterpret_cast<std::byte*>(y.data()));
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_NEAR(y[i], exact(x[i]), kActivationTolerance * std::abs(x[i])) << x[i];
  }
}

TEST_P(Exp, QuickGelu) {
  expect_activation(Activation::quick_gelu,
                    [](double x) { return x / (1 + std::exp(-1.702 * x)); });
}

TEST_P(Exp, Gelu) {
  expect_activation(Activation::gelu,
                    [](double x) { return x / 2 * std::erfc(-x / std::numbers::sqrt2); });
}

TEST_P(Exp, GeluTanh) {
  expect_activation(Activation::gelu_tanh, [](double x) {
    const double inner = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
    return x / 2 * (1 + std::tanh(inner));
  });
}

}  // namespace
}  // namespace octet::cpu
#endif
