#include "profile/benchmark.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace octet::profile {
namespace {

TEST(Statistics, FollowTrtexecsDefinitions) {
  const std::vector<double> percents{90, 50, 100};
  const Statistics result = statistics({5, 1, 4, 2, 3, 6, 7, 8, 9, 10}, percents);
  EXPECT_EQ(result.min, 1);
  EXPECT_EQ(result.max, 10);
  EXPECT_EQ(result.mean, 5.5);
  EXPECT_EQ(result.median, 5.5) << "the mean of the middle pair";
  EXPECT_EQ(result.percentiles[0].value, 9) << "sorted[n - 1 - floor(0.1 n)]";
  EXPECT_EQ(result.percentiles[1].value, 5);
  EXPECT_EQ(result.percentiles[2].value, 10);
}

TEST(Statistics, RefuseNonsense) {
  EXPECT_THROW(statistics({}, {}), Error);
  const std::vector<double> beyond{101};
  EXPECT_THROW(statistics({1}, beyond), Error);
}

TEST(RandomInputs, TextsFillTheirContext) {
  Graph graph("text");
  const ValueId ids = graph.add_input("ids", DType::i64, {"batch", 8});
  const ValueId table = graph.add_constant("table", Tensor(DType::f32, {100, 4}));
  const ValueId ranges = graph.add_value("ranges", DType::i32, {"batch", 2});
  const ValueId rows = graph.add_value("rows", DType::f32, {"tokens", 4});
  graph.add_node({"ranges", "octet", "RowRanges", {ids}, {ranges}, {{"eos_token_id", int64_t{7}}}});
  graph.add_node({"rows", "octet", "Embedding", {ids, table, table, ranges}, {rows}, {}});
  graph.set_outputs({rows});
  const Shape shape{3, 8};
  const Tensor drawn = random_inputs(graph, {&shape, 1}, 1).front();
  const auto values = drawn.values<int64_t>();
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_GE(values[i], 0);
    EXPECT_LT(values[i], 100);
    EXPECT_EQ(values[i] == 7, i % 8 == 7) << "the end token stands last, and only there";
  }
  EXPECT_EQ(drawn, random_inputs(graph, {&shape, 1}, 1).front());
  EXPECT_NE(drawn, random_inputs(graph, {&shape, 1}, 2).front());
}

}  // namespace
}  // namespace octet::profile
