// octet.Attention against a softmax in float64.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/threads.h"
#include "cpu/fast_kernels.h"
#include "cpu/matrix.h"
#include "tests/cpu/one_node.h"
#include "tests/cpu/random_tensor.h"

namespace octet::cpu {
namespace {

// Shares of the largest value: FP32 sums and exponentials; f16 rounding; and, where probabilities
// or outputs are E4M3, an occasional neighbouring code (1/16 of one small term).
constexpr double kFloatTolerance = 3e-6;
constexpr double kHalfTolerance = 0x1p-11;
constexpr double kQuantizedTolerance = 2e-3;
constexpr double kCodeTolerance = 0x1p-4;

struct Case {
  DType dtype = DType::f32;
  DType out = DType::f32;
  int64_t batch = 2;
  int64_t length = 9;
  int64_t heads = 2;
  int64_t dim = 16;
  bool causal = false;
  bool quantized = false;        ///< probabilities
  std::vector<int32_t> lengths;  ///< packed samples; overrides batch and length
};

std::string describe(const Case& c) {
  return fmt::format("{} -> {}, b{} s{} h{} d{} causal {} quantized {} packed {}", name_of(c.dtype),
                     name_of(c.out), c.batch, c.length, c.heads, c.dim, c.causal, c.quantized,
                     c.lengths.size());
}

constexpr float kScale = 0.25F;
constexpr float kQScale = 0.5F;
constexpr float kKScale = 0.75F;
constexpr float kVScale = 1.25F;
constexpr float kSoftmaxScale = 1.0F / 448.0F;
constexpr float kYScale = 0.01F;

struct Operands {
  Tensor q;
  Tensor k;
  Tensor v;
  std::optional<Tensor> ranges;
  Shape shape;
};

Operands operands_of(const Case& c) {
  Operands result;
  result.shape = {c.batch, c.length, c.heads * c.dim};
  if (!c.lengths.empty()) {
    std::vector<int32_t> ranges;
    int32_t begin = 0;
    for (const int32_t length : c.lengths) {
      ranges.insert(ranges.end(), {begin, begin + length});
      begin += length;
    }
    result.shape = {begin, c.heads * c.dim};
    result.ranges = Tensor::from<int32_t>({static_cast<int64_t>(c.lengths.size()), 2}, ranges);
  }
  result.q = random_tensor(c.dtype, result.shape, 1);
  result.k = random_tensor(c.dtype, result.shape, 2);
  result.v = random_tensor(c.dtype, result.shape, 3);
  return result;
}

double quantized(double p) {
  return double{e4m3_to_f32(quantize_e4m3(static_cast<float>(p), kSoftmaxScale))} * kSoftmaxScale;
}

/// Rows of one sample, counted over the whole operand.
struct Rows {
  int64_t first;
  int64_t end;
};

/// One row of one head among the rows of its sample.
void attend_row(const Case& c, const std::vector<std::vector<double>>& qkv, int64_t head,
                int64_t row, const Rows& sample, std::vector<double>& y) {
  const int64_t width = c.heads * c.dim;
  const bool codes = c.dtype == DType::f8e4m3;
  const double factor = kScale * (codes ? kQScale * kKScale : 1.0);
  const auto at = [&](size_t which, int64_t r, int64_t d) {
    return qkv[which][static_cast<size_t>(r * width + head * c.dim + d)];
  };
  std::vector<double> p;
  double largest = -1e300;
  for (int64_t key = sample.first; key < (c.causal ? row + 1 : sample.end); ++key) {
    double score = 0.0;
    for (int64_t d = 0; d < c.dim; ++d) score += at(0, row, d) * at(1, key, d);
    p.push_back(score * factor);
    largest = std::max(largest, p.back());
  }
  double sum = 0.0;
  for (double& value : p) sum += value = std::exp(value - largest);
  for (int64_t d = 0; d < c.dim; ++d) {
    double value = 0.0;
    for (size_t i = 0; i < p.size(); ++i) {
      const double share = p[i] / sum;
      const int64_t key = sample.first + static_cast<int64_t>(i);
      value += (c.quantized ? quantized(share) : share) * at(2, key, d);
    }
    y[static_cast<size_t>(row * width + head * c.dim + d)] = value * (codes ? kVScale : 1.0);
  }
}

std::vector<double> exact(const Case& c, const Operands& operands) {
  const std::vector<std::vector<double>> qkv = {as_doubles(operands.q), as_doubles(operands.k),
                                                as_doubles(operands.v)};
  std::vector<double> y(qkv[0].size());
  const int64_t samples = c.lengths.empty() ? c.batch : static_cast<int64_t>(c.lengths.size());
  int64_t first = 0;
  for (int64_t sample = 0; sample < samples; ++sample) {
    const int64_t count = c.lengths.empty() ? c.length : c.lengths[static_cast<size_t>(sample)];
    for (int64_t head = 0; head < c.heads; ++head) {
      for (int64_t row = first; row < first + count; ++row) {
        attend_row(c, qkv, head, row, {first, first + count}, y);
      }
    }
    first += count;
  }
  return y;
}

Tensor solve(const Case& c, const Operands& operands) {
  OneNode node(kOctetDomain, "Attention",
               {{"heads", c.heads},
                {"causal", int64_t{c.causal}},
                {"scale", kScale},
                {"q_scale", kQScale},
                {"k_scale", kKScale},
                {"v_scale", kVScale},
                {"softmax_scale", c.quantized ? kSoftmaxScale : 0.0F},
                {"out_dtype", std::string(name_of(c.out))},
                {"y_scale", kYScale}});
  node.input(operands.q).input(operands.k).input(operands.v);
  if (operands.ranges) node.input(*operands.ranges);
  node.output(c.out, operands.shape);
  return node.run(attention_blocked());
}

double tolerance_of(const Case& c) {
  double tolerance = c.quantized ? kQuantizedTolerance : kFloatTolerance;
  if (c.out == DType::f16) tolerance += kHalfTolerance;
  if (c.out == DType::f8e4m3) tolerance += kCodeTolerance;
  return tolerance;
}

void expect_right(const Case& c) {
  const Operands operands = operands_of(c);
  const auto expected = exact(c, operands);
  const auto result = as_doubles(solve(c, operands));
  double largest = 0.0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  const double factor = c.out == DType::f8e4m3 ? kYScale : 1.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(result[i] * factor, expected[i], tolerance_of(c) * largest)
        << describe(c) << " at " << i;
  }
}

class AttentionBlocked : public ::testing::TestWithParam<std::string> {
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

INSTANTIATE_TEST_SUITE_P(Sets, AttentionBlocked, ::testing::ValuesIn(available_sets()),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(AttentionBlocked, EveryTypeInAndOut) {
  for (const DType dtype : {DType::f32, DType::f16, DType::f8e4m3}) {
    for (const DType out : {DType::f32, DType::f16, DType::f8e4m3}) {
      for (const bool quantizes : {false, true}) {
        Case c;
        c.dtype = dtype;
        c.out = out;
        c.quantized = quantizes;
        expect_right(c);
      }
    }
  }
}

TEST_P(AttentionBlocked, HeadSizesAndLengths) {
  for (const DType dtype : {DType::f32, DType::f8e4m3}) {
    for (const int64_t dim : {1, 17, 32, 64, 72, 80, 88, 104}) {
      for (const int64_t length : {1, 31, 50, 77}) {
        Case c;
        c.dtype = dtype;
        c.dim = dim;
        c.length = length;
        c.quantized = dtype == DType::f8e4m3;
        expect_right(c);
      }
    }
  }
}

TEST_P(AttentionBlocked, LongSequences) {
  for (const DType dtype : {DType::f32, DType::f8e4m3}) {
    for (const int64_t length : {257, 577, 1030}) {
      Case c;
      c.dtype = dtype;
      c.batch = 1;
      c.length = length;
      c.heads = 1;
      c.dim = 24;
      expect_right(c);
      c.causal = true;
      c.quantized = dtype == DType::f8e4m3;
      expect_right(c);
    }
  }
}

TEST_P(AttentionBlocked, Causal) {
  for (const int64_t length : {1, 2, 32, 33, 65, 77, 130}) {
    for (const DType dtype : {DType::f32, DType::f16, DType::f8e4m3}) {
      Case c;
      c.dtype = dtype;
      c.length = length;
      c.causal = true;
      c.quantized = dtype == DType::f8e4m3;
      expect_right(c);
    }
  }
}

TEST_P(AttentionBlocked, PackedSamples) {
  for (const bool causal : {false, true}) {
    for (const DType dtype : {DType::f32, DType::f8e4m3}) {
      Case c;
      c.dtype = dtype;
      c.causal = causal;
      c.lengths = {5, 77, 1, 40, 33};
      expect_right(c);
    }
  }
}

TEST_P(AttentionBlocked, ThreadsDoNotMatter) {
  for (const bool causal : {false, true}) {
    Case c;
    c.dtype = DType::f8e4m3;
    c.batch = 1;
    c.heads = 1;
    c.length = 200;
    c.causal = causal;
    c.quantized = true;
    const Operands operands = operands_of(c);
    set_thread_count(1);
    const Tensor one = solve(c, operands);
    for (const int threads : {2, 8}) {
      set_thread_count(threads);
      EXPECT_EQ(solve(c, operands), one) << threads;
    }
    set_thread_count(0);
  }
}

TEST_P(AttentionBlocked, LargeScoresStayFinite) {
  Case c;
  Operands operands = operands_of(c);
  operands.q = random_tensor(DType::f32, operands.shape, 1, 1e4F);
  operands.k = random_tensor(DType::f32, operands.shape, 2, 1e4F);
  const Tensor y = solve(c, operands);
  for (const double value : as_doubles(y)) ASSERT_TRUE(std::isfinite(value));
}

TEST_P(AttentionBlocked, NaNReachesTheRowsThatSeeIt) {
  Case c;
  c.causal = true;
  c.batch = 1;
  c.heads = 1;
  c.length = 40;
  Operands operands = operands_of(c);
  operands.k.mutable_values<float>()[size_t{20} * 16] = std::numeric_limits<float>::quiet_NaN();
  const auto y = as_doubles(solve(c, operands));
  for (int64_t row = 0; row < c.length; ++row) {
    EXPECT_EQ(std::isnan(y[static_cast<size_t>(row * 16)]), row >= 20) << row;
  }
}

}  // namespace
}  // namespace octet::cpu
