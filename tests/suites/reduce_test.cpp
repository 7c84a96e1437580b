#include <gtest/gtest.h>

#include <algorithm>

#include "tests/suites/naive.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

OCTET_SUITE(Reduce);

/// Means over `axes`, which stay with extent 1.
Array means(const Array& x, const std::vector<size_t>& axes) {
  Shape shape = x.shape;
  for (const size_t axis : axes) shape[axis] = 1;
  Array y = zeros(x.dtype, shape);
  for (int64_t i = 0; i < x.count(); ++i) {
    Shape at = coordinates(i, x.shape);
    for (const size_t axis : axes) at[axis] = 0;
    y[index_of(at, shape)] +=
        x[i] * static_cast<double>(y.count()) / static_cast<double>(x.count());
  }
  return y;
}

TEST_P(Reduce, Mean) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    const Array x = random_array(dtype, {3, 5, 70}, 1, 0, 2);
    for (const std::vector<int64_t>& axes : {std::vector<int64_t>{1}, {-1}, {0, 2}, {0, 1, 2}}) {
      std::vector<size_t> from_front;
      from_front.reserve(axes.size());
      for (const int64_t axis : axes) from_front.push_back(static_cast<size_t>((axis + 3) % 3));
      const Array exact = means(x, from_front);
      const Array names =
          array_of(DType::i64, {static_cast<int64_t>(axes.size())}, {axes.begin(), axes.end()});
      expect_close(solve(GetParam(), {"", "ReduceMean", {}, {x, Feed::constant(names)}}), exact);
      Array dropped = exact;
      dropped.shape.clear();
      for (size_t axis = 0; axis < 3; ++axis) {
        if (std::ranges::count(from_front, axis) == 0) dropped.shape.push_back(x.shape[axis]);
      }
      expect_close(
          solve(GetParam(), {"", "ReduceMean", {{"axes", axes}, {"keepdims", int64_t{0}}}, {x}}),
          dropped);
    }
  }
}

TEST_P(Reduce, MeanOfEverything) {
  const Array x = random_array(DType::f32, {4, 6}, 2);
  expect_close(solve(GetParam(), {"", "ReduceMean", {}, {x}}), means(x, {0, 1}));
}

/// Where the first of the largest values along `axis` is; the axis stays with extent 1.
Array first_largest(const Array& x, size_t axis) {
  Shape shape = x.shape;
  shape[axis] = 1;
  Array y = zeros(DType::i64, shape);
  for (int64_t i = 0; i < y.count(); ++i) {
    Shape at = coordinates(i, shape);
    Shape best = at;
    for (; at[axis] < x.shape[axis]; ++at[axis]) {
      if (x[index_of(at, x.shape)] > x[index_of(best, x.shape)]) best = at;
    }
    y[i] = static_cast<double>(best[axis]);
  }
  return y;
}

TEST_P(Reduce, ArgMaxTakesTheFirst) {
  for (const DType dtype : {DType::f32, DType::f16, DType::i64, DType::i32}) {
    const Array x = random_integers(dtype, {4, 9, 3}, 3, -2, 2);
    for (const size_t axis : {0, 1, 2}) {
      for (const int64_t keep : {0, 1}) {
        Array expected = first_largest(x, axis);
        if (keep == 0) expected.shape.erase(expected.shape.begin() + static_cast<int64_t>(axis));
        const Attributes attributes{{"axis", static_cast<int64_t>(axis)}, {"keepdims", keep}};
        expect_equal(solve(GetParam(), {"", "ArgMax", attributes, {x}}), expected);
      }
    }
  }
}

TEST_P(Reduce, SymbolicBatch) {
  const Array x = random_integers(DType::i64, {5, 8}, 4, 0, 99);
  Prepared prepared(
      GetParam(),
      Problem{
          "", "ArgMax", {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}, {Feed(x, {"batch", 8})}});
  for (const int64_t batch : {5, 2}) {
    Array expected = zeros(DType::i64, {batch});
    for (int64_t i = 0; i < batch; ++i) {
      const auto begin = x.values.begin() + i * 8;
      expected[i] = static_cast<double>(std::max_element(begin, begin + 8) - begin);
    }
    expect_equal(prepared.run({first_rows(x, batch)}).front(), expected);
  }
}

}  // namespace
}  // namespace octet::suites
