#include <gtest/gtest.h>

#include "tests/suites/chain.h"
#include "tests/suites/naive.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

OCTET_SUITE(Layout);

constexpr std::array kDtypes{DType::f32, DType::f16, DType::f8e4m3, DType::i64};

Feed integers(const std::vector<int64_t>& values) {
  return Feed::constant(
      array_of(DType::i64, {static_cast<int64_t>(values.size())}, {values.begin(), values.end()}));
}

/// Element by element: the output at `at` is the input at source(at).
Array rearranged(const Array& x, const Shape& shape, const std::function<Shape(Shape)>& source) {
  Array y = zeros(x.dtype, shape);
  for (int64_t i = 0; i < y.count(); ++i) {
    y[i] = x[index_of(source(coordinates(i, shape)), x.shape)];
  }
  return y;
}

TEST_P(Layout, Transpose) {
  for (const DType dtype : kDtypes) {
    const Array x = random_integers(dtype, {2, 3, 4, 5}, 1, -9, 9);
    for (const std::vector<int64_t>& perm : {std::vector<int64_t>{0, 2, 1, 3}, {3, 1, 0, 2}, {}}) {
      std::vector<int64_t> axes = perm;
      if (axes.empty()) axes = {3, 2, 1, 0};
      Shape shape;
      for (const int64_t axis : axes) shape.push_back(x.extent(static_cast<size_t>(axis)));
      const Attributes attributes = perm.empty() ? Attributes{} : Attributes{{"perm", perm}};
      expect_equal(solve(GetParam(), {"", "Transpose", attributes, {x}}),
                   rearranged(x, shape, [&](const Shape& at) {
                     Shape from(4);
                     for (size_t i = 0; i < 4; ++i) from[static_cast<size_t>(axes[i])] = at[i];
                     return from;
                   }));
    }
  }
}

TEST_P(Layout, Slice) {
  for (const DType dtype : kDtypes) {
    const Array x = random_integers(dtype, {5, 7, 6}, 2, -9, 9);
    const Array part =
        solve(GetParam(),
              {"", "Slice", {}, {x, integers({1, -4}), integers({4, 1000}), integers({0, 2})}});
    expect_equal(part, rearranged(x, {3, 7, 4}, [](const Shape& at) {
                   return Shape{at[0] + 1, at[1], at[2] + 2};
                 }));
    const Array back =
        solve(GetParam(),
              {"",
               "Slice",
               {},
               {x, integers({-1, 0}), integers({-1000, 7}), integers({0, 1}), integers({-2, 3})}});
    expect_equal(back, rearranged(x, {3, 3, 6}, [](const Shape& at) {
                   return Shape{4 - 2 * at[0], 3 * at[1], at[2]};
                 }));
  }
}

TEST_P(Layout, Pad) {
  const Array x = random_integers(DType::f16, {2, 3, 4}, 3, -9, 9);
  const Array value = array_of(DType::f16, {}, {-0.5});
  const Array y =
      solve(GetParam(), {"", "Pad", {}, {x, integers({0, 1, 2, 1, 0, 3}), Feed::constant(value)}});
  Array expected = zeros(DType::f16, {3, 4, 9});
  for (int64_t i = 0; i < expected.count(); ++i) {
    const Shape at = coordinates(i, expected.shape);
    const Shape from{at[0], at[1] - 1, at[2] - 2};
    const bool inside = from[0] < 2 && from[1] >= 0 && from[2] >= 0 && from[2] < 4;
    expected[i] = inside ? x[index_of(from, x.shape)] : value[0];
  }
  expect_equal(y, expected);
}

TEST_P(Layout, PadOfNamedAxesWithZeros) {
  const Array x = random_integers(DType::f32, {2, 3}, 4, 1, 9);
  const Array y =
      solve(GetParam(), {"", "Pad", {}, {x, integers({1, 1}), Feed::absent(), integers({1})}});
  Array expected = zeros(DType::f32, {2, 5});
  for (int64_t i = 0; i < x.count(); ++i) expected[i / 3 * 5 + i % 3 + 1] = x[i];
  expect_equal(y, expected);
}

TEST_P(Layout, Concat) {
  for (const DType dtype : kDtypes) {
    for (const int64_t axis : {0, 1, -1}) {
      const size_t index = axis < 0 ? 2 : static_cast<size_t>(axis);
      Problem problem{"", "Concat", {{"axis", axis}}, {}};
      Shape shape{2, 3, 4};
      shape[index] = 0;
      std::vector<Array> parts;
      for (const int64_t extent : {1, 5, 2}) {
        Shape own{2, 3, 4};
        own[index] = extent;
        parts.push_back(random_integers(dtype, own, static_cast<uint64_t>(extent), -9, 9));
        problem.feeds.emplace_back(parts.back());
        shape[index] += extent;
      }
      Array expected = zeros(dtype, shape);
      for (int64_t i = 0; i < expected.count(); ++i) {
        Shape at = coordinates(i, shape);
        size_t part = 0;
        while (at[index] >= parts[part].shape[index]) at[index] -= parts[part++].shape[index];
        expected[i] = parts[part][index_of(at, parts[part].shape)];
      }
      expect_equal(solve(GetParam(), problem), expected);
    }
  }
}

TEST_P(Layout, Expand) {
  for (const DType dtype : kDtypes) {
    const Array x = random_integers(dtype, {3, 1, 2}, 5, -9, 9);
    const Array y = solve(GetParam(), {"", "Expand", {}, {x, integers({4, 1, 5, 1})}});
    expect_equal(y, rearranged(x, {4, 3, 5, 2}, [](const Shape& at) {
                   return Shape{at[1], 0, at[3]};
                 }));
  }
}

TEST_P(Layout, Constant) {
  const Array value = random_array(DType::f16, {3, 5}, 6);
  expect_equal(solve(GetParam(), {"", "Constant", {{"value", to_tensor(value)}}, {}}), value);
}

TEST_P(Layout, ViewsWithSymbolicBatch) {
  Chain chain(DType::f32, {"batch", 4, 6});
  chain.add("Reshape", {chain.last, chain.integers({0, -1, 3})});  // [batch, 8, 3]
  chain.add("Unsqueeze", {chain.last, chain.integers({1})});       // [batch, 1, 8, 3]
  chain.add("Transpose", {chain.last}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  chain.add("Squeeze", {chain.last, chain.integers({1})});  // [batch, 3, 8]
  chain.add("Flatten", {chain.last});                       // [batch, 24]
  chain.add("Identity", {chain.last});
  chain.add("Reshape", {chain.last, chain.integers({-1, 2, 12})});
  chain.graph.set_outputs({chain.last});
  Prepared prepared(GetParam(), std::move(chain.graph), 5);
  for (const int64_t batch : {5, 1, 2}) {
    const Array x = random_integers(DType::f32, {batch, 4, 6}, 7, -99, 99);
    Array expected = rearranged(x, {batch, 3, 8}, [](const Shape& at) {
      const int64_t flat = at[2] * 3 + at[1];
      return Shape{at[0], flat / 6, flat % 6};
    });
    expected.shape = {batch, 2, 12};
    expect_equal(prepared.run({x}).front(), expected);
  }
}

/// What exporters write around a dynamic batch: Shape, Gather, Unsqueeze, Concat, Reshape, Expand.
TEST_P(Layout, TargetsComputedFromShape) {
  Chain chain(DType::f32, {"batch", 4, 6});
  const ValueId x = chain.last;
  const ValueId shape = chain.add("Shape", {x});
  const ValueId batch = chain.add("Gather", {shape, chain.integers({0}, {})});
  const ValueId batch_vector = chain.add("Unsqueeze", {batch, chain.integers({0})});
  const ValueId last =
      chain.add("Slice", {shape, chain.integers({2}), chain.integers({3}), chain.integers({0})});
  const ValueId target =
      chain.add("Concat", {batch_vector, chain.integers({2, 2}), last}, {{"axis", int64_t{0}}});
  const ValueId reshaped = chain.add("Reshape", {x, target});
  const ValueId wide =
      chain.add("Concat", {batch_vector, chain.integers({3, 1})}, {{"axis", int64_t{0}}});
  const ValueId row =
      chain.graph.add_constant("row", to_tensor(random_integers(DType::f32, {1, 1, 5}, 8, 0, 9)));
  const ValueId expanded = chain.add("Expand", {row, wide});
  chain.graph.set_outputs({reshaped, expanded, shape});
  Prepared prepared(GetParam(), std::move(chain.graph), 4);
  for (const int64_t size : {4, 1}) {
    const Array input = random_integers(DType::f32, {size, 4, 6}, 9, -99, 99);
    const auto results = prepared.run({input});
    Array expected = input;
    expected.shape = {size, 2, 2, 6};
    expect_equal(results[0], expected);
    EXPECT_EQ(results[1].shape, (Shape{size, 3, 5}));
    expect_equal(results[2], array_of(DType::i64, {3}, {static_cast<double>(size), 4, 6}));
  }
}

}  // namespace
}  // namespace octet::suites
