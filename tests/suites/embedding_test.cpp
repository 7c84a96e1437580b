#include <gtest/gtest.h>

#include <algorithm>

#include "tests/expect_error.h"
#include "tests/suites/naive.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

OCTET_SUITE(Embedding);

Array embedded(const Array& ids, const Array& table, const Array& position) {
  const int64_t width = table.extent(1);
  Array y = zeros(table.dtype, {ids.extent(0), ids.extent(1), width});
  for (int64_t i = 0; i < y.count(); ++i) {
    const Shape at = coordinates(i, y.shape);
    const auto id = static_cast<int64_t>(ids[at[0] * ids.extent(1) + at[1]]);
    y[i] = round_to(table.dtype, table[id * width + at[2]] + position[at[1] * width + at[2]]);
  }
  return y;
}

TEST_P(Embedding, TokenAndPosition) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    for (const int64_t width : {1, 33, 96}) {
      const Array ids = random_integers(DType::i64, {3, 7}, 1, 0, 19);
      const Array table = random_array(dtype, {20, width}, 2);
      const Array position = random_array(dtype, {9, width}, 3);
      expect_equal(
          solve(GetParam(),
                {"octet", "Embedding", {}, {ids, Feed::constant(table), Feed::constant(position)}}),
          embedded(ids, table, position));
    }
  }
}

TEST_P(Embedding, IdOutOfRangeIsNamed) {
  for (const double id : {20.0, -1.0}) {
    const Array ids = array_of(DType::i64, {1, 3}, {0, id, 2});
    const Array table = random_array(DType::f32, {20, 4}, 4);
    const Array position = random_array(DType::f32, {3, 4}, 5);
    try {
      static_cast<void>(solve(
          GetParam(),
          {"octet", "Embedding", {}, {ids, Feed::constant(table), Feed::constant(position)}}));
      FAIL();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(fmt::format("{}", id)), std::string::npos)
          << error.what();
    }
  }
}

TEST_P(Embedding, RowRangesOfTheLargestId) {
  const Array ids = array_of(DType::i64, {4, 4}, {1, 9, 0, 0, 9, 9, 9, 9, 1, 2, 3, 9, 5, 4, 3, 9});
  const Array ranges =
      solve(GetParam(), {"octet", "RowRanges", {{"symbol", std::string("tokens")}}, {ids}});
  expect_equal(ranges, array_of(DType::i32, {4, 2}, {0, 2, 2, 3, 3, 7, 7, 11}));
}

TEST_P(Embedding, RowRangesOfAToken) {
  const Array ids = array_of(DType::i64, {3, 4}, {1, 7, 9, 7, 7, 9, 9, 9, 1, 2, 3, 9});
  const Attributes attributes{{"symbol", std::string("tokens")}, {"eos_token_id", int64_t{7}}};
  expect_equal(solve(GetParam(), {"octet", "RowRanges", attributes, {ids}}),
               array_of(DType::i32, {3, 2}, {0, 2, 2, 3, 3, 4}));
}

TEST_P(Embedding, PoolLast) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    const Array x = random_array(dtype, {10, 33}, 6);
    const Array ranges = array_of(DType::i32, {3, 2}, {0, 4, 4, 5, 5, 10});
    Array expected = zeros(dtype, {3, 33});
    for (int64_t i = 0; i < expected.count(); ++i) {
      expected[i] = x[(static_cast<int64_t>(ranges[i / 33 * 2 + 1]) - 1) * 33 + i % 33];
    }
    expect_equal(solve(GetParam(), {"octet", "PoolLast", {}, {x, ranges}}), expected);
  }
}

/// Ids → packed rows → last row of each sample, at several batch sizes and lengths.
Graph packed_tower(const Array& table, const Array& position, int64_t length) {
  Graph graph("packed");
  const ValueId ids = graph.add_input("ids", DType::i64, {"batch", length});
  const ValueId rows = graph.add_constant("table", to_tensor(table));
  const ValueId places = graph.add_constant("position", to_tensor(position));
  const ValueId ranges = graph.add_value("ranges");
  const ValueId packed = graph.add_value("packed");
  const ValueId pooled = graph.add_value("pooled");
  graph.add_node(
      {"row_ranges", "octet", "RowRanges", {ids}, {ranges}, {{"symbol", std::string("tokens")}}});
  graph.add_node({"embedding", "octet", "Embedding", {ids, rows, places, ranges}, {packed}, {}});
  graph.add_node({"pool", "octet", "PoolLast", {packed, ranges}, {pooled}, {}});
  graph.set_outputs({packed, pooled});
  return graph;
}

TEST_P(Embedding, PackedRows) {
  const Array table = random_array(DType::f16, {30, 17}, 7);
  const Array position = random_array(DType::f16, {8, 17}, 8);
  Prepared prepared(GetParam(), packed_tower(table, position, 8), 6);
  for (const int64_t batch : {6, 1, 4}) {
    const Array ids = random_integers(DType::i64, {batch, 8}, static_cast<uint64_t>(batch), 0, 29);
    const Array padded = embedded(ids, table, position);
    std::vector<double> rows;
    std::vector<double> last;
    for (int64_t sample = 0; sample < batch; ++sample) {
      const auto begin = ids.values.begin() + sample * 8;
      const int64_t end = std::max_element(begin, begin + 8) - begin + 1;
      const auto first = padded.values.begin() + sample * 8 * 17;
      rows.insert(rows.end(), first, first + end * 17);
      last.insert(last.end(), first + (end - 1) * 17, first + end * 17);
    }
    const auto results = prepared.run({ids});
    const auto count = static_cast<int64_t>(rows.size()) / 17;
    ASSERT_GE(results[0].extent(0), count);  // a device counts them in steps
    expect_equal(first_rows(results[0], count), array_of(DType::f16, {count, 17}, rows));
    expect_equal(results[1], array_of(DType::f16, {batch, 17}, last));
  }
}

constexpr int64_t kPatch = 4;

/// One patch of an image times one column of the weight.
double patch_product(const Array& image, int64_t index, int64_t patch, const Array& w,
                     int64_t column) {
  const int64_t across = image.extent(3) / kPatch;
  double sum = 0;
  for (int64_t k = 0; k < w.extent(0); ++k) {
    const Shape tap = coordinates(k, {image.extent(1), kPatch, kPatch});
    const Shape at{index, tap[0], patch / across * kPatch + tap[1],
                   patch % across * kPatch + tap[2]};
    sum += image[index_of(at, image.shape)] * w[k * w.extent(1) + column];
  }
  return sum;
}

/// Rows of patch products, rounded to `product` before the positions are added.
Array patches_embedded(const Array& image, const Array& w, const Array& position, int64_t leading,
                       DType product) {
  Array y = zeros(image.dtype, {image.extent(0), position.extent(0), position.extent(1)});
  for (int64_t i = 0; i < y.count(); ++i) {
    const Shape at = coordinates(i, y.shape);
    y[i] = position[at[1] * position.extent(1) + at[2]];
    if (at[1] < leading) continue;
    y[i] += round_to(product, patch_product(image, at[0], at[1] - leading, w, at[2]));
  }
  return y;
}

TEST_P(Embedding, PatchEmbedding) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    for (const int64_t leading : {0, 1}) {
      const Array image = random_array(dtype, {3, 3, 12, 12}, 9);
      const Array w = random_array(dtype, {3 * kPatch * kPatch, 37}, 10);
      const Array position = random_array(dtype, {9 + leading, 37}, 11);
      Prepared prepared(GetParam(), Problem{"octet",
                                            "PatchEmbedding",
                                            {{"patch", kPatch}, {"leading", leading}},
                                            {Feed(image, {"batch", 3, 12, 12}), Feed::constant(w),
                                             Feed::constant(position)}});
      for (const int64_t batch : {3, 1}) {
        const Array part = first_rows(image, batch);
        expect_close(prepared.run({part}).front(),
                     patches_embedded(part, w, position, leading, DType::f64));
      }
    }
  }
}

TEST_P(Embedding, PatchEmbeddingRoundsTheProductToF16) {
  const Array image = random_array(DType::f16, {2, 3, 12, 12}, 12);
  const Array w = random_array(DType::f16, {3 * kPatch * kPatch, 37}, 13);
  const Array position = random_array(DType::f16, {10, 37}, 14);
  const Attributes attributes{
      {"patch", kPatch}, {"leading", int64_t{1}}, {"steps", std::string("f16")}};
  const Problem problem{
      "octet", "PatchEmbedding", attributes, {image, Feed::constant(w), Feed::constant(position)}};
  expect_nearly_equal(solve(GetParam(), problem),
                      as(DType::f16, patches_embedded(image, w, position, 1, DType::f16)), 2);
}

}  // namespace
}  // namespace octet::suites
