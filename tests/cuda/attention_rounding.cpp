#include "tests/cuda/attention_rounding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/threads.h"
#include "tensor/codecs.h"

namespace octet::cuda {
namespace {

constexpr int kBits = 13;
constexpr int64_t kDepth = 32;  // products of one instruction
constexpr int kNoExponent = std::numeric_limits<int>::min();

int exponent_of(double value) {
  return value == 0 ? kNoExponent : std::ilogb(value);
}

/// Without what lies more than kBits below `exponent`.
double cut(double value, int exponent) {
  const double quantum = std::ldexp(1.0, exponent - kBits);
  return std::trunc(value / quantum) * quantum;
}

/// sum + a[0] b[0] + ... as one instruction adds them.
double add_products(double sum, std::span<const float> a, std::span<const float> b) {
  std::array<double, kDepth> products{};
  int exponent = exponent_of(sum);
  for (size_t i = 0; i < a.size(); ++i) {
    products.at(i) = double{a[i]} * b[i];
    // The unit aligns by the sum of both exponents, before it knows the product's own.
    if (products.at(i) != 0) exponent = std::max(exponent, exponent_of(a[i]) + exponent_of(b[i]));
  }
  if (exponent == kNoExponent) return 0;
  double total = cut(sum, exponent);
  for (const double product : products) total += cut(product, exponent);
  return total == 0 ? 0 : cut(total, exponent_of(total));
}

double product_of(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); i += kDepth) {
    const size_t count = std::min<size_t>(kDepth, a.size() - i);
    sum = add_products(sum, a.subspan(i, count), b.subspan(i, count));
  }
  return sum;
}

/// One head of one sample: q and k [rows, head_dim], V transposed [head_dim, rows].
struct Head {
  std::vector<float> q, k, v;
};

Head head_of(const AttentionProblem& problem, const AttentionSample& sample, int64_t head) {
  const int64_t depth = problem.head_dim;
  const int64_t width = problem.heads * depth;
  Head values;
  for (int64_t row = 0; row < sample.rows; ++row) {
    for (int64_t d = 0; d < depth; ++d) {
      const auto at = static_cast<size_t>(row * width + head * depth + d);
      values.q.push_back(e4m3_to_f32(std::to_integer<uint8_t>(sample.q[at])));
      values.k.push_back(e4m3_to_f32(std::to_integer<uint8_t>(sample.k[at])));
    }
  }
  for (int64_t d = 0; d < depth; ++d) {
    for (int64_t row = 0; row < sample.rows; ++row) {
      const auto at = static_cast<size_t>(row * width + head * depth + d);
      values.v.push_back(e4m3_to_f32(std::to_integer<uint8_t>(sample.v[at])));
    }
  }
  return values;
}

/// Codes of one query row that differ from the exact ones, `y`, in units of the output's scale.
int64_t changed_codes(const AttentionProblem& problem, const AttentionScales& scales,
                      const Head& head, int64_t rows, int64_t row, const double* y) {
  const auto depth = static_cast<size_t>(problem.head_dim);
  const auto keys = static_cast<size_t>(rows);
  const std::span<const float> q(&head.q[static_cast<size_t>(row) * depth], depth);
  std::vector<double> scores(keys);
  for (size_t key = 0; key < keys; ++key) {
    scores[key] = product_of(q, {&head.k[key * depth], depth});
  }
  const std::vector<double> p = probabilities(problem, scales, std::move(scores));
  std::vector<float> codes(keys);
  std::ranges::transform(p, codes.begin(),
                         [&](double value) { return static_cast<float>(value / scales.softmax); });
  int64_t changed = 0;
  for (size_t d = 0; d < depth; ++d) {
    const double sum = product_of(codes, {&head.v[d * keys], keys});
    const double value = sum * scales.softmax * scales.v / scales.y;
    const uint8_t exact = f32_to_e4m3(static_cast<float>(y[d]));
    changed += f32_to_e4m3(static_cast<float>(value)) != exact ? 1 : 0;
  }
  return changed;
}

/// Those of all rows of a head.
int64_t changed_codes(const AttentionProblem& problem, const AttentionScales& scales,
                      const AttentionSample& sample, int64_t head) {
  const Head values = head_of(problem, sample, head);
  std::vector<int64_t> by_row(static_cast<size_t>(sample.rows));
  parallel_for(sample.rows, 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto at = static_cast<size_t>((row * problem.heads + head) * problem.head_dim);
      by_row[static_cast<size_t>(row)] =
          changed_codes(problem, scales, values, sample.rows, row, &sample.y[at]);
    }
  });
  return std::accumulate(by_row.begin(), by_row.end(), int64_t{0});
}

struct TableRow {
  int rows;
  std::array<double, 5> by_scores;  ///< normal, sharp, flat, huge, negative
};
constexpr std::array kTable{TableRow{128, {0.013, 0.013, 0.005, 0.008, 0.037}},
                            TableRow{320, {0.027, 0.018, 0.007, 0.010, 0.063}},
                            TableRow{640, {0.034, 0.025, 0.008, 0.010, 0.089}},
                            TableRow{1024, {0.042, 0.032, 0.013, 0.010, 0.095}}};

}  // namespace

double simulate_share(const AttentionCase& problem_case) {
  const AttentionCase c = prepared(problem_case);
  const AttentionProblem& problem = c.problem;
  const AttentionSamples samples = make_samples(c);
  int64_t changed = 0;
  int64_t count = 0;
  for (const AttentionSample& sample : samples.distinct) {
    for (int64_t head = 0; head < problem.heads; ++head) {
      changed += changed_codes(problem, samples.scales, sample, head);
      count += sample.rows * problem.head_dim;
    }
  }
  return static_cast<double>(changed) / static_cast<double>(count);
}

double tabled_share(const AttentionCase& problem_case) {
  const auto* row =
      std::ranges::lower_bound(kTable, problem_case.problem.max_rows, {}, &TableRow::rows);
  return row->by_scores.at(static_cast<size_t>(problem_case.scores));
}

}  // namespace octet::cuda
