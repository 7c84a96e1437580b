#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/suites/naive.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

OCTET_SUITE(Attention);

constexpr double kSoftmaxScale = 1.0 / 448;

struct Case {
  DType dtype = DType::f32;
  DType out = DType::f32;
  int64_t samples = 1;
  int64_t rows = 1;
  int64_t heads = 1;
  int64_t depth = 1;
  bool causal = false;
  double scale = 1;
  double q_scale = 1;
  double k_scale = 1;
  double v_scale = 1;
  double softmax_scale = 0;
  double y_scale = 1;
  bool f16_steps = false;  ///< every step rounded to FP16, as the graph without fusion does

  [[nodiscard]] double step(double value) const {
    return f16_steps ? round_to(DType::f16, value) : value;
  }
  [[nodiscard]] int64_t width() const { return heads * depth; }
};

struct Operands {
  Array q;
  Array k;
  Array v;
};

Operands operands_of(const Case& c, const Shape& shape) {
  const double range = c.dtype == DType::f8e4m3 ? 300 : 1.5;
  return {random_array(c.dtype, shape, 1, -range, range),
          random_array(c.dtype, shape, 2, -range, range),
          random_array(c.dtype, shape, 3, -range, range)};
}

/// Probabilities of one row over rows [begin, end).
std::vector<double> probabilities(const Case& c, const Operands& o, int64_t row, int64_t head,
                                  std::pair<int64_t, int64_t> keys) {
  std::vector<double> scores;
  for (int64_t key = keys.first; key < keys.second; ++key) {
    double sum = 0;
    for (int64_t d = head * c.depth; d < (head + 1) * c.depth; ++d) {
      sum += o.q[row * c.width() + d] * o.k[key * c.width() + d];
    }
    scores.push_back(c.step(sum * c.scale * c.q_scale * c.k_scale));
  }
  const double highest = *std::ranges::max_element(scores);
  double total = 0;
  for (double& score : scores) total += score = std::exp(score - highest);
  for (double& score : scores) {
    score = c.step(score / total);
    if (c.softmax_scale != 0) {
      score = round_to(DType::f8e4m3, score / c.softmax_scale) * c.softmax_scale;
    }
  }
  return scores;
}

/// Column `i` of one row's attention over rows [begin, end).
double attended(const Case& c, const Operands& o, int64_t row, int64_t i,
                std::pair<int64_t, int64_t> keys) {
  const auto p = probabilities(c, o, row, i / c.depth, keys);
  double sum = 0;
  for (size_t key = 0; key < p.size(); ++key) {
    sum += p[key] * o.v[(keys.first + static_cast<int64_t>(key)) * c.width() + i];
  }
  return c.step(sum * c.v_scale);
}

/// Attention of each sample's rows [ranges[i], ranges[i + 1]) among themselves.
Array exact(const Case& c, const Operands& o, const std::vector<int64_t>& ranges) {
  Array y = o.q;
  y.dtype = c.out;
  for (size_t sample = 0; sample + 1 < ranges.size(); ++sample) {
    for (int64_t row = ranges[sample]; row < ranges[sample + 1]; ++row) {
      const int64_t end = c.causal ? row + 1 : ranges[sample + 1];
      for (int64_t i = 0; i < c.width(); ++i) {
        y[row * c.width() + i] = attended(c, o, row, i, {ranges[sample], end});
      }
    }
  }
  return c.out == DType::f8e4m3 ? divided(y, c.y_scale) : y;
}

Attributes attributes_of(const Case& c) {
  return {{"heads", c.heads},
          {"causal", int64_t{c.causal}},
          {"scale", static_cast<float>(c.scale)},
          {"q_scale", static_cast<float>(c.q_scale)},
          {"k_scale", static_cast<float>(c.k_scale)},
          {"v_scale", static_cast<float>(c.v_scale)},
          {"softmax_scale", static_cast<float>(c.softmax_scale)},
          {"out_dtype", std::string(name_of(c.out))},
          {"y_scale", static_cast<float>(c.y_scale)},
          {"steps", std::string(c.f16_steps ? "f16" : "f32")}};
}

std::vector<int64_t> equal_ranges(int64_t samples, int64_t rows) {
  std::vector<int64_t> ranges;
  for (int64_t i = 0; i <= samples; ++i) ranges.push_back(i * rows);
  return ranges;
}

void check_case(const std::string& backend, const Case& c) {
  SCOPED_TRACE(fmt::format("{} to {}, {} x {} rows, {} heads of {}, causal {}", name_of(c.dtype),
                           name_of(c.out), c.samples, c.rows, c.heads, c.depth, c.causal));
  const Operands o = operands_of(c, {c.samples, c.rows, c.width()});
  const Array y = solve(backend, {"octet", "Attention", attributes_of(c), {o.q, o.k, o.v}});
  expect_close(y, exact(c, o, equal_ranges(c.samples, c.rows)));
}

void check_sizes(const std::string& backend, DType dtype, bool causal) {
  for (const int64_t rows : {1, 2, 17, 50, 77}) {
    for (const int64_t depth : {1, 8, 33, 64}) {
      check_case(backend, {dtype, dtype, 2, rows, 3, depth, causal, 0.5});
    }
  }
}

TEST_P(Attention, SizesHeadsAndMasks) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    for (const bool causal : {false, true}) check_sizes(GetParam(), dtype, causal);
  }
}

TEST_P(Attention, ManyRows) {
  check_case(GetParam(), {DType::f32, DType::f32, 1, 257, 2, 16, false, 0.25});
  check_case(GetParam(), {DType::f16, DType::f16, 1, 197, 1, 80, true, 0.125});
}

Case quantized(DType out) {
  Case c{DType::f8e4m3, out, 2, 19, 3, 16, false};
  c.q_scale = 0.00390625;
  c.k_scale = 0.0078125;
  c.v_scale = 0.015625;
  c.y_scale = 0.0078125;
  return c;
}

TEST_P(Attention, CodesInAndOut) {
  for (const DType out : {DType::f32, DType::f16, DType::f8e4m3}) {
    for (const bool causal : {false, true}) {
      Case c = quantized(out);
      c.causal = causal;
      check_case(GetParam(), c);
    }
  }
}

/// One probability on the border of two codes may fall to either side, which moves its head's part
/// of one row by at most half a code step (1/16) of the largest value. Everything else is tight.
void expect_close_but_for_borders(const Array& result, const Array& exact_result) {
  const Tolerance& tolerance = tolerance_of(exact_result.dtype);
  double largest = 0;
  for (const double value : exact_result.values) largest = std::max(largest, std::abs(value));
  int64_t outside = 0;
  for (int64_t i = 0; i < result.count(); ++i) {
    const double difference = std::abs(result[i] - exact_result[i]);
    const double allowed =
        tolerance.relative * std::abs(exact_result[i]) + tolerance.absolute * largest;
    outside += difference > allowed + tolerance.smallest ? 1 : 0;
    ASSERT_LE(difference, allowed + largest / 16) << i;
  }
  EXPECT_LE(static_cast<double>(outside), 0.03 * static_cast<double>(result.count()));
}

TEST_P(Attention, QuantizedProbabilities) {
  for (const DType dtype : {DType::f32, DType::f16, DType::f8e4m3}) {
    for (const bool causal : {false, true}) {
      Case c = quantized(DType::f32);
      c.dtype = dtype;
      if (dtype != DType::f8e4m3) c.q_scale = c.k_scale = c.v_scale = 1;
      c.causal = causal;
      c.softmax_scale = round_to(DType::f32, kSoftmaxScale);
      const Operands o = operands_of(c, {c.samples, c.rows, c.width()});
      const Array y = solve(GetParam(), {"octet", "Attention", attributes_of(c), {o.q, o.k, o.v}});
      expect_close_but_for_borders(y, exact(c, o, equal_ranges(c.samples, c.rows)));
    }
  }
}

TEST_P(Attention, EveryStepRounded) {
  for (const bool causal : {false, true}) {
    Case c{DType::f16, DType::f16, 2, 40, 3, 32, causal, 1};
    c.f16_steps = true;
    const Operands o = operands_of(c, {c.samples, c.rows, c.width()});
    const Array y = solve(GetParam(), {"octet", "Attention", attributes_of(c), {o.q, o.k, o.v}});
    expect_nearly_equal(y, exact(c, o, equal_ranges(c.samples, c.rows)), 4);
  }
}

/// Whole scores hundreds apart, so FP32 holds them exactly: the softmax must not overflow.
TEST_P(Attention, LargeScores) {
  const Case c{DType::f32, DType::f32, 1, 9, 1, 4, false, 400};
  Operands o = operands_of(c, {1, 9, 4});
  o.q = random_integers(DType::f32, {1, 9, 4}, 4, -2, 2);
  o.k = random_integers(DType::f32, {1, 9, 4}, 5, -2, 2);
  const Array y = solve(GetParam(), {"octet", "Attention", attributes_of(c), {o.q, o.k, o.v}});
  expect_close(y, exact(c, o, equal_ranges(1, 9)));
}

Array ranges_array(const std::vector<int64_t>& ranges) {
  Array array = zeros(DType::i32, {static_cast<int64_t>(ranges.size()) - 1, 2});
  for (int64_t i = 0; i < array.count(); ++i) {
    array[i] = static_cast<double>(ranges[static_cast<size_t>(i / 2 + i % 2)]);
  }
  return array;
}

TEST_P(Attention, RaggedSamples) {
  const std::vector<int64_t> ranges{0, 1, 14, 16, 49, 50};
  for (const DType dtype : {DType::f32, DType::f16, DType::f8e4m3}) {
    for (const bool causal : {false, true}) {
      Case c{dtype, dtype == DType::f8e4m3 ? DType::f16 : dtype, 5, 0, 2, 24, causal, 0.25};
      if (dtype == DType::f8e4m3) c.q_scale = c.k_scale = c.v_scale = 0.0078125;
      const Operands o = operands_of(c, {ranges.back(), c.width()});
      const Array y =
          solve(GetParam(),
                {"octet", "Attention", attributes_of(c), {o.q, o.k, o.v, ranges_array(ranges)}});
      expect_close(y, exact(c, o, ranges));
    }
  }
}

/// q, k and v side by side.
Array packed(const Operands& o) {
  Array result = zeros(o.q.dtype, o.q.shape);
  result.shape.back() *= 3;
  result.values.clear();
  const int64_t width = o.q.shape.back();
  for (int64_t begin = 0; begin < o.q.count(); begin += width) {
    for (const Array* part : {&o.q, &o.k, &o.v}) {
      const auto row = part->values.begin() + begin;
      result.values.insert(result.values.end(), row, row + width);
    }
  }
  return result;
}

TEST_P(Attention, OperandsSideBySide) {
  const std::vector<int64_t> ranges{0, 3, 20};
  for (const DType dtype : {DType::f32, DType::f16, DType::f8e4m3}) {
    Case c = quantized(dtype);
    c.dtype = dtype;
    c.causal = true;
    Attributes attributes = attributes_of(c);
    const Operands o = operands_of(c, {c.samples, c.rows, c.width()});
    const Array separate = solve(GetParam(), {"octet", "Attention", attributes, {o.q, o.k, o.v}});
    const Operands ragged = operands_of(c, {ranges.back(), c.width()});
    const Array separate_ragged = solve(
        GetParam(),
        {"octet", "Attention", attributes, {ragged.q, ragged.k, ragged.v, ranges_array(ranges)}});
    attributes["packed_qkv"] = int64_t{1};
    expect_equal(
        solve(GetParam(),
              {"octet", "Attention", attributes, {packed(o), Feed::absent(), Feed::absent()}}),
        separate);
    expect_equal(
        solve(GetParam(), {"octet",
                           "Attention",
                           attributes,
                           {packed(ragged), Feed::absent(), Feed::absent(), ranges_array(ranges)}}),
        separate_ragged);
  }
}

/// The last row of each sample.
Array last_rows(const Array& x, const std::vector<int64_t>& ranges) {
  Array result = zeros(x.dtype, {static_cast<int64_t>(ranges.size()) - 1, x.shape.back()});
  for (int64_t i = 0; i < result.count(); ++i) {
    const auto sample = static_cast<size_t>(i / x.shape.back());
    result[i] = x[(ranges[sample + 1] - 1) * x.shape.back() + i % x.shape.back()];
  }
  return result;
}

TEST_P(Attention, OneQueryASample) {
  const std::vector<int64_t> ranges{0, 3, 20};
  for (const DType dtype : {DType::f32, DType::f16, DType::f8e4m3}) {
    Case c = quantized(dtype);
    c.dtype = dtype;
    c.softmax_scale = round_to(DType::f32, kSoftmaxScale);
    Attributes attributes = attributes_of(c);
    const Operands o = operands_of(c, {c.samples, c.rows, c.width()});
    const Array all = solve(GetParam(), {"octet", "Attention", attributes, {o.q, o.k, o.v}});
    const Operands r = operands_of(c, {ranges.back(), c.width()});
    const Array all_ragged = solve(
        GetParam(), {"octet", "Attention", attributes, {r.q, r.k, r.v, ranges_array(ranges)}});
    attributes["pooled_query"] = int64_t{1};
    const std::vector<int64_t> equal = equal_ranges(c.samples, c.rows);
    expect_equal(
        solve(GetParam(), {"octet", "Attention", attributes, {last_rows(o.q, equal), o.k, o.v}}),
        last_rows(all, equal));
    expect_equal(solve(GetParam(), {"octet",
                                    "Attention",
                                    attributes,
                                    {last_rows(r.q, ranges), r.k, r.v, ranges_array(ranges)}}),
                 last_rows(all_ragged, ranges));
  }
}

TEST_P(Attention, SymbolicBatch) {
  const Case c{DType::f16, DType::f16, 5, 13, 2, 16, true, 0.25};
  const Operands o = operands_of(c, {c.samples, c.rows, c.width()});
  const Dims dims{"batch", c.rows, c.width()};
  Prepared prepared(GetParam(), Problem{"octet",
                                        "Attention",
                                        attributes_of(c),
                                        {Feed(o.q, dims), Feed(o.k, dims), Feed(o.v, dims)}});
  for (const int64_t batch : {5, 1, 3}) {
    const Operands part{first_rows(o.q, batch), first_rows(o.k, batch), first_rows(o.v, batch)};
    expect_close(prepared.run({part.q, part.k, part.v}).front(),
                 exact(c, part, equal_ranges(batch, c.rows)));
  }
}

}  // namespace
}  // namespace octet::suites
