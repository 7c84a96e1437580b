#include <gtest/gtest.h>

#include "tests/expect_error.h"
#include "tests/suites/naive.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

OCTET_SUITE(Gather);

/// What indices of two axes take along `axis`.
Array gathered(const Array& data, const Array& indices, size_t axis) {
  const auto front = static_cast<int64_t>(axis);
  Shape shape(data.shape.begin(), data.shape.begin() + front);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), data.shape.begin() + front + 1, data.shape.end());
  Array result = zeros(data.dtype, shape);
  for (int64_t i = 0; i < result.count(); ++i) {
    const Shape at = coordinates(i, shape);
    const auto index = static_cast<int64_t>(indices[at[axis] * indices.extent(1) + at[axis + 1]]);
    Shape from = at;
    from.erase(from.begin() + front);
    from[axis] = index < 0 ? index + data.shape[axis] : index;
    result[i] = data[index_of(from, data.shape)];
  }
  return result;
}

TEST_P(Gather, AlongEveryAxis) {
  const Shape shape{4, 5, 6};
  for (const DType dtype : {DType::f32, DType::f16, DType::i64}) {
    for (const DType index_dtype : {DType::i64, DType::i32}) {
      for (const size_t axis : {0, 1, 2}) {
        const Array data = random_integers(dtype, shape, 1, -9, 9);
        const Array indices =
            random_integers(index_dtype, {2, 3}, 2, -shape[axis], shape[axis] - 1);
        const Attributes attributes{{"axis", static_cast<int64_t>(axis)}};
        expect_equal(solve(GetParam(), {"", "Gather", attributes, {data, indices}}),
                     gathered(data, indices, axis));
      }
    }
  }
}

/// The class token's row: a scalar index takes its axis away.
TEST_P(Gather, ScalarIndexWithSymbolicBatch) {
  const Array data = random_array(DType::f16, {4, 3, 7}, 3);
  const Array index = array_of(DType::i64, {}, {2});
  Prepared prepared(GetParam(), Problem{"",
                                        "Gather",
                                        {{"axis", int64_t{1}}},
                                        {Feed(data, {"batch", 3, 7}), Feed::constant(index)}});
  for (const int64_t batch : {4, 1}) {
    Array expected = zeros(DType::f16, {batch, 7});
    for (int64_t i = 0; i < expected.count(); ++i) expected[i] = data[(i / 7 * 3 + 2) * 7 + i % 7];
    expect_equal(prepared.run({first_rows(data, batch)}).front(), expected);
  }
}

TEST_P(Gather, IndexOutOfRangeIsNamed) {
  if (!reports_bad_values(GetParam())) GTEST_SKIP() << "its kernels report nothing";
  const Array data = random_array(DType::f32, {4, 3}, 4);
  for (const double index : {4.0, -5.0}) {
    const Array indices = array_of(DType::i64, {1, 1}, {index});
    for (const std::string op : {"Gather", "GatherND"}) {
      test::expect_error(ErrorCode::bad_input, {"'node'", fmt::format("index {}", index)}, [&] {
        static_cast<void>(solve(GetParam(), {"", op, {}, {data, Feed::constant(indices)}}));
      });
    }
  }
}

TEST_P(Gather, GatherNDWithBatchAxes) {
  const Array data = random_integers(DType::f32, {3, 4, 5, 2}, 5, -99, 99);
  const Array one = random_integers(DType::i64, {3, 1}, 6, -4, 3);
  Array expected = zeros(DType::f32, {3, 5, 2});
  for (int64_t i = 0; i < expected.count(); ++i) {
    const Shape at = coordinates(i, expected.shape);
    const auto row = (static_cast<int64_t>(one[at[0]]) + 4) % 4;
    expected[i] = data[index_of({at[0], row, at[1], at[2]}, data.shape)];
  }
  const Attributes batched{{"batch_dims", int64_t{1}}};
  expect_equal(solve(GetParam(), {"", "GatherND", batched, {data, one}}), expected);
}

TEST_P(Gather, GatherNDWithSeveralIndices) {
  const Array data = random_integers(DType::f32, {3, 4, 5, 2}, 7, -99, 99);
  const Array two = random_integers(DType::i64, {3, 6, 2}, 8, 0, 3);
  Array expected = zeros(DType::f32, {3, 6, 2});
  for (int64_t i = 0; i < expected.count(); ++i) {
    const Shape at = coordinates(i, expected.shape);
    const auto tuple = (at[0] * 6 + at[1]) * 2;
    expected[i] = data[index_of(
        {at[0], static_cast<int64_t>(two[tuple]), static_cast<int64_t>(two[tuple + 1]), at[2]},
        data.shape)];
  }
  const Attributes batched{{"batch_dims", int64_t{1}}};
  expect_equal(solve(GetParam(), {"", "GatherND", batched, {data, two}}), expected);
}

TEST_P(Gather, GatherNDOfElements) {
  const Array data = random_integers(DType::f16, {4, 5}, 9, -99, 99);
  const Array indices = array_of(DType::i64, {3, 2}, {0, 0, 3, 4, -1, -5});
  const Array expected = array_of(DType::f16, {3}, {data[0], data[19], data[15]});
  expect_equal(solve(GetParam(), {"", "GatherND", {}, {data, indices}}), expected);
}

}  // namespace
}  // namespace octet::suites
