// Row-wise and element-wise kernels of the fast table against plain loops in double, on every
// vector instruction set.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "base/threads.h"
#include "cpu/fast_kernels.h"
#include "cpu/vector_targets.h"
#include "tests/cpu/one_node.h"
#include "tests/cpu/random_tensor.h"
#include "tests/expect_error.h"

namespace octet::cpu {
namespace {

// FP32 statistics over a row, and rounding to the output's format.
constexpr double kFloatTolerance = 2e-6;
constexpr double kHalfTolerance = 0x1p-11 + kFloatTolerance;
constexpr double kCodeTolerance = 0x1p-4 + kFloatTolerance;

class RowKernels : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { force_vector_target(GetParam()); }
  void TearDown() override { force_vector_target(""); }
};
INSTANTIATE_TEST_SUITE_P(Targets, RowKernels, ::testing::ValuesIn(vector_targets()),
                         [](const auto& instance) { return instance.param; });

double tolerance_of(DType out) {
  if (out == DType::f16) return kHalfTolerance;
  return out == DType::f8e4m3 ? kCodeTolerance : kFloatTolerance;
}

/// `floor` covers results near zero.
void expect_near(const Tensor& y, const std::vector<double>& expected, double factor,
                 double floor) {
  const auto values = as_doubles(y);
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_NEAR(values[i] * factor, expected[i],
                tolerance_of(y.dtype()) * std::abs(expected[i]) + floor)
        << name_of(y.dtype()) << " at " << i;
  }
}

std::vector<double> layer_norm(const Tensor& x, const std::vector<double>& gamma,
                               const std::vector<double>& beta, double epsilon) {
  auto y = as_doubles(x);
  const size_t width = gamma.size();
  for (size_t row = 0; row < y.size(); row += width) {
    double mean = 0.0;
    for (size_t i = 0; i < width; ++i) mean += y[row + i] / static_cast<double>(width);
    double variance = 0.0;
    for (size_t i = 0; i < width; ++i) {
      variance += (y[row + i] - mean) * (y[row + i] - mean) / static_cast<double>(width);
    }
    for (size_t i = 0; i < width; ++i) {
      y[row + i] = (y[row + i] - mean) / std::sqrt(variance + epsilon) * gamma[i] + beta[i];
    }
  }
  return y;
}

TEST_P(RowKernels, LayerNormEveryTypeAndWidth) {
  constexpr float kYScale = 0.04F;
  for (const DType in : {DType::f32, DType::f16}) {
    for (const DType out : {DType::f32, DType::f16, DType::f8e4m3}) {
      for (const int64_t width : {1, 7, 16, 80, 1024}) {
        const Tensor x = random_tensor(in, {3, 5, width}, 1, 4.0F);
        const Tensor gamma = random_tensor(DType::f16, {width}, 2);
        const Tensor beta = random_tensor(DType::f32, {width}, 3);
        OneNode node(kOctetDomain, "LayerNorm", {{"epsilon", 1e-3F}, {"y_scale", kYScale}});
        node.input(x).constant(gamma).constant(beta).output(out, {3, 5, width});
        const bool codes = out == DType::f8e4m3;
        expect_near(node.run(layer_norm_fused()),
                    layer_norm(x, as_doubles(gamma), as_doubles(beta), 1e-3F),
                    codes ? kYScale : 1.0, codes ? kYScale * 0x1p-10 : 2e-6);
      }
    }
  }
}

TEST_P(RowKernels, LayerNormalizationWithoutBiasAndFarFromZero) {
  Tensor x = random_tensor(DType::f32, {4, 33}, 1);
  for (float& value : x.mutable_values<float>()) value += 100.0F;
  OneNode node("", "LayerNormalization", {{"axis", int64_t{-1}}});
  node.input(x).constant(random_tensor(DType::f32, {33}, 2)).output(DType::f32, {4, 33});
  const auto gamma = as_doubles(random_tensor(DType::f32, {33}, 2));
  // The inputs themselves carry 2^-24 of 100.
  expect_near(node.run(layer_norm_rows()),
              layer_norm(x, gamma, std::vector<double>(33, 0.0), 1e-5F), 1.0, 1e-4);
}

TEST(RowKernelRefusals, LayerNormalizationOverMoreAxes) {
  OneNode node("", "LayerNormalization", {{"axis", int64_t{1}}});
  node.input(random_tensor(DType::f32, {2, 3, 4}, 1))
      .constant(random_tensor(DType::f32, {3, 4}, 2))
      .output(DType::f32, {2, 3, 4});
  EXPECT_NE(node.refusal(layer_norm_rows()), std::nullopt);
}

TEST_P(RowKernels, AddOfEqualAndRepeatedShapes) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    const Tensor a = random_tensor(dtype, {3, 5, 19}, 1);
    for (const Shape& shape :
         {Shape{3, 5, 19}, Shape{5, 19}, Shape{1, 5, 19}, Shape{19}, Shape{1}, Shape{}}) {
      const Tensor b = random_tensor(dtype, shape, 2);
      auto expected = as_doubles(a);
      const auto part = as_doubles(b);
      for (size_t i = 0; i < expected.size(); ++i) expected[i] += part[i % part.size()];
      for (const bool swapped : {false, true}) {
        OneNode node("", "Add");
        node.input(swapped ? b : a).input(swapped ? a : b).output(dtype, {3, 5, 19});
        expect_near(node.run(add_vector()), expected, 1.0, 1e-7);
      }
    }
  }
}

TEST(RowKernelRefusals, AddThatRepeatsInside) {
  OneNode node("", "Add");
  node.input(random_tensor(DType::f32, {3, 1, 4}, 1))
      .input(random_tensor(DType::f32, {3, 2, 4}, 2))
      .output(DType::f32, {3, 2, 4});
  EXPECT_NE(node.refusal(add_vector()), std::nullopt);
}

TEST_P(RowKernels, QuantizeAndDequantizeAreExact) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    const Tensor x = random_tensor(dtype, {7, 13}, 1, 30.0F);
    const Tensor scale = convert(Tensor::scalar(0.037F), dtype);
    OneNode quantize("", "QuantizeLinear");
    quantize.input(x).constant(scale).output(DType::f8e4m3, {7, 13});
    const Tensor codes = quantize.run(quantize_vector());
    const float step = element_as_f32(scale, 0);
    for (int64_t i = 0; i < x.count(); ++i) {
      ASSERT_EQ(codes.values<uint8_t>()[static_cast<size_t>(i)],
                quantize_e4m3(element_as_f32(x, i), step));
    }
    OneNode dequantize("", "DequantizeLinear");
    dequantize.input(codes).constant(scale).output(dtype, {7, 13});
    const Tensor back = dequantize.run(dequantize_vector());
    for (int64_t i = 0; i < x.count(); ++i) {
      const Tensor exact = convert(Tensor::scalar(element_as_f32(codes, i) * step), dtype);
      ASSERT_EQ(element_as_f32(back, i), element_as_f32(exact, 0));
    }
  }
}

TEST_P(RowKernels, CastsAgreeWithTheCodecs) {
  const Tensor x = random_tensor(DType::f32, {1000}, 1, 1e4F);
  OneNode narrow("", "Cast");
  narrow.input(x).output(DType::f16, {1000});
  const Tensor half = narrow.run(cast_vector());
  EXPECT_EQ(half, convert(x, DType::f16));
  OneNode wide("", "Cast");
  wide.input(half).output(DType::f32, {1000});
  EXPECT_EQ(wide.run(cast_vector()), convert(half, DType::f32));
}

TEST_P(RowKernels, FakeQuantizeUsesEachRowsOwnScale) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    Tensor x = random_tensor(dtype, {5, 37}, 1);
    std::ranges::fill(x.mutable_bytes().first(37 * size_of(dtype)), std::byte{0});
    OneNode node(kOctetDomain, "FakeQuantizeRows");
    node.input(x).output(dtype, {5, 37});
    const Tensor y = node.run(fake_quantize_rows());
    for (int64_t row = 0; row < 5; ++row) {
      float amax = 0.0F;
      for (int64_t i = 0; i < 37; ++i) {
        amax = std::max(amax, std::abs(element_as_f32(x, row * 37 + i)));
      }
      const float scale = scale_from_amax(amax);
      for (int64_t i = 0; i < 37; ++i) {
        const float value = element_as_f32(x, row * 37 + i);
        const float exact = e4m3_to_f32(quantize_e4m3(value, scale)) * scale;
        const Tensor rounded = convert(Tensor::scalar(exact), dtype);
        ASSERT_EQ(element_as_f32(y, row * 37 + i), element_as_f32(rounded, 0));
      }
    }
  }
}

TEST_P(RowKernels, ActivationsAsOperators) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    const Tensor x = random_tensor(dtype, {3, 45}, 1, 3.0F);
    const auto expect = [&](OneNode node, const KernelEntry& entry, double (*exact)(double)) {
      auto expected = as_doubles(x);
      for (double& value : expected) value = exact(value);
      node.input(x).output(dtype, {3, 45});
      expect_near(node.run(entry), expected, 1.0, 1e-6);
    };
    expect(OneNode(kOctetDomain, "QuickGelu"), quick_gelu_vector(),
           [](double v) { return v / (1 + std::exp(-1.702 * v)); });
    expect(OneNode("", "Sigmoid"), sigmoid_vector(),
           [](double v) { return 1 / (1 + std::exp(-v)); });
    expect(OneNode("", "Gelu"), gelu_vector(),
           [](double v) { return v / 2 * std::erfc(-v / std::sqrt(2.0)); });
    expect(OneNode("", "Gelu", {{"approximate", std::string("tanh")}}), gelu_vector(),
           [](double v) {
             return v / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
           });
  }
}

TEST(Embedding, AddsTableAndPositionRows) {
  const Tensor table = random_tensor(DType::f16, {10, 24}, 1);
  const Tensor position = random_tensor(DType::f16, {4, 24}, 2);
  const Tensor ids = Tensor::from<int64_t>({2, 4}, std::vector<int64_t>{3, 0, 9, 1, 2, 2, 5, 7});
  OneNode node(kOctetDomain, "Embedding");
  node.input(ids).constant(table).constant(position).output(DType::f16, {2, 4, 24});
  const Tensor y = node.run(embedding_rows());
  for (int64_t i = 0; i < y.count(); ++i) {
    const int64_t id = ids.values<int64_t>()[static_cast<size_t>(i / 24)];
    const float sum = element_as_f32(table, id * 24 + i % 24) +
                      element_as_f32(position, i / 24 % 4 * 24 + i % 24);
    ASSERT_EQ(element_as_f32(y, i), f16_to_f32(f32_to_f16(sum)));
  }
}

TEST(Embedding, PackedSamplesKeepTheirPositions) {
  const Tensor table = random_tensor(DType::f32, {10, 8}, 1);
  const Tensor position = random_tensor(DType::f32, {4, 8}, 2);
  const Tensor ids = Tensor::from<int64_t>({2, 4}, std::vector<int64_t>{3, 0, 9, 1, 2, 6, 5, 7});
  const Tensor ranges = Tensor::from<int32_t>({2, 2}, std::vector<int32_t>{0, 3, 3, 5});
  OneNode node(kOctetDomain, "Embedding");
  node.input(ids).constant(table).constant(position).input(ranges).output(DType::f32, {5, 8});
  const Tensor y = node.run(embedding_rows());
  const std::vector<std::pair<int64_t, int64_t>> rows = {{3, 0}, {0, 1}, {9, 2}, {2, 0}, {6, 1}};
  for (size_t row = 0; row < rows.size(); ++row) {
    for (int64_t i = 0; i < 8; ++i) {
      ASSERT_EQ(element_as_f32(y, static_cast<int64_t>(row) * 8 + i),
                element_as_f32(table, rows[row].first * 8 + i) +
                    element_as_f32(position, rows[row].second * 8 + i));
    }
  }
}

TEST(Embedding, AnIdOutsideTheTableIsNamed) {
  OneNode node(kOctetDomain, "Embedding");
  node.input(Tensor::from<int64_t>({1, 2}, std::vector<int64_t>{1, 10}))
      .constant(random_tensor(DType::f32, {10, 8}, 1))
      .constant(random_tensor(DType::f32, {2, 8}, 2))
      .output(DType::f32, {1, 2, 8});
  test::expect_error(ErrorCode::usage, {"10", "node"},
                     [&] { static_cast<void>(node.run(embedding_rows())); });
}

TEST(PoolLast, TakesEachSamplesLastRow) {
  const Tensor x = random_tensor(DType::f16, {7, 5}, 1);
  OneNode node(kOctetDomain, "PoolLast");
  node.input(x)
      .input(Tensor::from<int32_t>({3, 2}, std::vector<int32_t>{0, 2, 2, 3, 3, 7}))
      .output(DType::f16, {3, 5});
  const Tensor y = node.run(pool_last());
  for (int64_t i = 0; i < 15; ++i) {
    const int64_t row = std::vector<int64_t>{1, 2, 6}[static_cast<size_t>(i / 5)];
    EXPECT_EQ(element_as_f32(y, i), element_as_f32(x, row * 5 + i % 5));
  }
}

/// One output of octet.PatchEmbedding, [b, r, n].
double embedded(const std::vector<double>& image, const std::vector<double>& w,
                const std::vector<double>& position, int64_t sample, int64_t row, int64_t n) {
  constexpr int64_t kSide = 12;
  constexpr int64_t kPatch = 4;
  constexpr int64_t kWidth = 40;
  double value = position[static_cast<size_t>(row * kWidth + n)];
  if (row == 0) return value;
  const int64_t top = (row - 1) / (kSide / kPatch) * kPatch;
  const int64_t left = (row - 1) % (kSide / kPatch) * kPatch;
  for (int64_t k = 0; k < 3 * kPatch * kPatch; ++k) {
    const int64_t channel = k / (kPatch * kPatch);
    const int64_t line = top + k / kPatch % kPatch;
    const int64_t pixel = ((sample * 3 + channel) * kSide + line) * kSide + left + k % kPatch;
    value += image[static_cast<size_t>(pixel)] * w[static_cast<size_t>(k * kWidth + n)];
  }
  return value;
}

TEST_P(RowKernels, PatchEmbedding) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    const Tensor image = random_tensor(dtype, {2, 3, 12, 12}, 1);
    const Tensor w = random_tensor(dtype, {48, 40}, 2);
    const Tensor position = random_tensor(dtype, {10, 40}, 3);
    OneNode node(kOctetDomain, "PatchEmbedding", {{"patch", int64_t{4}}, {"leading", int64_t{1}}});
    node.input(image).constant(w).constant(position).output(dtype, {2, 10, 40});
    std::vector<double> expected;
    for (int64_t i = 0; i < 800; ++i) {
      expected.push_back(embedded(as_doubles(image), as_doubles(w), as_doubles(position), i / 400,
                                  i / 40 % 10, i % 40));
    }
    expect_near(node.run(patch_embedding()), expected, 1.0, 2e-5);
  }
}

TEST(RowKernelThreads, DoNotMatter) {
  const Tensor x = random_tensor(DType::f16, {100, 77}, 1);
  const auto run = [&](const char* op, const KernelEntry& entry, DType out) {
    OneNode node(entry.domain, op);
    node.input(x);
    if (entry.op == "LayerNorm") node.constant(random_tensor(DType::f32, {77}, 2));
    node.output(out, {100, 77});
    return node.run(entry);
  };
  const auto run_all = [&] {
    return std::vector{run("LayerNorm", layer_norm_fused(), DType::f8e4m3),
                       run("FakeQuantizeRows", fake_quantize_rows(), DType::f16),
                       run("QuickGelu", quick_gelu_vector(), DType::f16)};
  };
  set_thread_count(1);
  const auto one = run_all();
  set_thread_count(2);
  EXPECT_EQ(run_all(), one);
  set_thread_count(0);
}

}  // namespace
}  // namespace octet::cpu
