#include <gtest/gtest.h>

#include "tests/suites/naive.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

OCTET_SUITE(Matrix);

struct Pair {
  Shape a;
  Shape b;
};

TEST_P(Matrix, MatMulBroadcasts) {
  const std::vector<Pair> pairs{
      {{1, 1}, {1, 1}},
      {{3, 5}, {5, 7}},
      {{17, 33}, {33, 65}},
      {{2, 9, 31}, {31, 13}},
      {{4, 3, 8}, {4, 8, 5}},
      {{2, 1, 6, 10}, {3, 10, 4}},
      {{1, 2, 3, 4}, {5, 1, 4, 2}},
      {{9, 200}, {2, 200, 3}},
      {{1, 300}, {300, 1}},
  };
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const Pair& pair : pairs) {
      SCOPED_TRACE(to_string(pair.a) + " " + to_string(pair.b));
      const Array a = random_array(dtype, pair.a, 1);
      const Array b = random_array(dtype, pair.b, 2);
      expect_close(solve(GetParam(), {"", "MatMul", {}, {a, b}}), product(a, b));
    }
  }
}

TEST_P(Matrix, MatMulWithConstantWeightAndSymbolicBatch) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    const Array x = random_array(dtype, {5, 7, 40}, 3);
    const Array w = random_array(dtype, {40, 35}, 4);
    Prepared prepared(GetParam(),
                      Problem{"", "MatMul", {}, {Feed(x, {"batch", 7, 40}), Feed::constant(w)}});
    for (const int64_t batch : {5, 1, 4}) {
      const Array part = first_rows(x, batch);
      expect_close(prepared.run({part}).front(), product(part, w));
    }
  }
}

Array transposed(const Array& matrix) {
  Array result = zeros(matrix.dtype, {matrix.extent(1), matrix.extent(0)});
  for (int64_t i = 0; i < matrix.count(); ++i) {
    result[i % matrix.extent(1) * matrix.extent(0) + i / matrix.extent(1)] = matrix[i];
  }
  return result;
}

/// Both matrices as they are and transposed.
void check_gemm(const std::string& backend, const Array& shift) {
  constexpr double kAlpha = 0.5;
  constexpr double kBeta = 2;
  const Array a = random_array(shift.dtype, {6, 21}, 5);
  const Array b = random_array(shift.dtype, {21, 11}, 6);
  const Array expected = map(product(a, b), shift,
                             [](double sum, double added) { return kAlpha * sum + kBeta * added; });
  for (const int64_t flags : {0, 1, 2, 3}) {
    const Attributes attributes{{"transA", flags & 1},
                                {"transB", flags >> 1},
                                {"alpha", static_cast<float>(kAlpha)},
                                {"beta", static_cast<float>(kBeta)}};
    const Array y = solve(backend, {"",
                                    "Gemm",
                                    attributes,
                                    {(flags & 1) != 0 ? transposed(a) : a,
                                     (flags >> 1) != 0 ? transposed(b) : b, shift}});
    expect_close(y, expected);
  }
}

TEST_P(Matrix, Gemm) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    for (const Shape& shape : {Shape{11}, Shape{6, 1}, Shape{6, 11}, Shape{}}) {
      check_gemm(GetParam(), random_array(dtype, shape, 7));
    }
  }
}

TEST_P(Matrix, GemmWithoutShift) {
  const Array a = random_array(DType::f32, {3, 4}, 8);
  const Array b = random_array(DType::f32, {4, 5}, 9);
  expect_close(solve(GetParam(), {"", "Gemm", {}, {a, b}}), product(a, b));
}

struct Window {
  std::vector<int64_t> kernel;
  std::vector<int64_t> strides;
  std::vector<int64_t> pads;
};

/// A pixel, or zero outside the image.
double pixel(const Array& x, int64_t image, int64_t channel, int64_t row, int64_t column) {
  const bool inside = row >= 0 && row < x.extent(2) && column >= 0 && column < x.extent(3);
  return inside ? x[index_of({image, channel, row, column}, x.shape)] : 0.0;
}

Array convolution(const Array& x, const Array& w, const Array& bias, const Window& window) {
  const auto extent = [&](size_t axis) {
    return (x.extent(axis + 2) + window.pads[axis] + window.pads[axis + 2] - window.kernel[axis]) /
               window.strides[axis] +
           1;
  };
  Array y = zeros(x.dtype, {x.extent(0), w.extent(0), extent(0), extent(1)});
  for (int64_t i = 0; i < y.count(); ++i) {
    const Shape at = coordinates(i, y.shape);
    y[i] = bias[at[1]];
    for (int64_t j = 0; j < w.count() / w.extent(0); ++j) {
      const Shape tap = coordinates(j, {x.extent(1), window.kernel[0], window.kernel[1]});
      y[i] += w[at[1] * (w.count() / w.extent(0)) + j] *
              pixel(x, at[0], tap[0], at[2] * window.strides[0] - window.pads[0] + tap[1],
                    at[3] * window.strides[1] - window.pads[1] + tap[2]);
    }
  }
  return y;
}

TEST_P(Matrix, Conv) {
  const std::vector<Window> windows{
      {{4, 4}, {4, 4}, {0, 0, 0, 0}},
      {{3, 3}, {1, 1}, {1, 1, 1, 1}},
      {{3, 2}, {2, 3}, {0, 2, 1, 0}},
      {{1, 1}, {1, 1}, {0, 0, 0, 0}},
  };
  for (const DType dtype : {DType::f32, DType::f16}) {
    for (const Window& window : windows) {
      const Array x = random_array(dtype, {2, 3, 12, 8}, 10);
      const Array w = random_array(dtype, {5, 3, window.kernel[0], window.kernel[1]}, 11);
      const Array bias = random_array(dtype, {5}, 12);
      const Attributes attributes{
          {"kernel_shape", window.kernel}, {"strides", window.strides}, {"pads", window.pads}};
      expect_close(
          solve(GetParam(), {"", "Conv", attributes, {x, Feed::constant(w), Feed::constant(bias)}}),
          convolution(x, w, bias, window));
      expect_close(solve(GetParam(), {"", "Conv", attributes, {x, Feed::constant(w)}}),
                   convolution(x, w, zeros(dtype, {5}), window));
    }
  }
}

}  // namespace
}  // namespace octet::suites
