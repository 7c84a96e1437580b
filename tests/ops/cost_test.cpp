#include <gtest/gtest.h>

#include "ops/ops.h"
#include "tests/expect_error.h"

namespace octet {
namespace {

/// y = x w, x [batch, 4], w [4, 3], in f16.
Graph product_graph() {
  Graph graph;
  const ValueId x = graph.add_input("x", DType::f16, {"batch", 4});
  const ValueId w = graph.add_constant("w", Tensor(DType::f16, {4, 3}));
  const ValueId y = graph.add_value("y");
  graph.add_node({"product", "", "MatMul", {x, w}, {y}, {}});
  infer_types(graph);
  return graph;
}

TEST(Cost, CountsProductsAndBytesOnce) {
  const Graph graph = product_graph();
  const Cost cost = cost_of(graph, graph.order()[0], {{"batch", 5}});
  EXPECT_EQ(cost.flops, 2.0 * 5 * 4 * 3);
  EXPECT_EQ(cost.bytes, 2.0 * (5 * 4 + 4 * 3 + 5 * 3));
}

TEST(Cost, NamesASymbolWithoutSize) {
  const Graph graph = product_graph();
  test::expect_error(ErrorCode::usage, {"batch"},
                     [&] { static_cast<void>(cost_of(graph, graph.order()[0], {})); });
}

TEST(Cost, ViewsAreFree) {
  Graph graph;
  const ValueId x = graph.add_input("x", DType::f16, {"batch", 4});
  const ValueId y = graph.add_value("y");
  graph.add_node({"flatten", "", "Flatten", {x}, {y}, {}});
  infer_types(graph);
  const Cost cost = cost_of(graph, graph.order()[0], {{"batch", 5}});
  EXPECT_EQ(cost.flops, 0);
  EXPECT_EQ(cost.bytes, 0);
}

/// A table counts with the rows that are picked.
TEST(Cost, TablesCountWhatIsRead) {
  Graph graph;
  const ValueId table = graph.add_constant("table", Tensor(DType::f32, {1000, 8}));
  const ValueId ids = graph.add_input("ids", DType::i64, {"batch"});
  const ValueId y = graph.add_value("y");
  graph.add_node({"gather", "", "Gather", {table, ids}, {y}, {}});
  infer_types(graph);
  EXPECT_EQ(cost_of(graph, graph.order()[0], {{"batch", 3}}).bytes, 4.0 * 3 * 8 * 2 + 3 * 8);
}

TEST(Cost, Attention) {
  Graph graph;
  const ValueId x = graph.add_input("x", DType::f16, {"batch", 10, 8});
  const ValueId y = graph.add_value("y");
  graph.add_node({"attention", "octet", "Attention", {x, x, x}, {y}, {{"heads", int64_t{2}}}});
  infer_types(graph);
  const double products = 3.0 * 10 * 10 * 8 * 4;
  const double softmax = 3.0 * 10 * 10 * 2 * 12;
  EXPECT_EQ(cost_of(graph, graph.order()[0], {{"batch", 3}}).flops, products + softmax);
}

/// Every operator that computes has a cost once its symbols are bound, packed rows too.
TEST(Cost, PackedRowsNeedTheirSymbol) {
  Graph graph;
  const ValueId ids = graph.add_input("ids", DType::i64, {"batch", 7});
  const ValueId table = graph.add_constant("table", Tensor(DType::f32, {9, 4}));
  const ValueId position = graph.add_constant("position", Tensor(DType::f32, {7, 4}));
  const ValueId ranges = graph.add_value("ranges");
  const ValueId rows = graph.add_value("rows");
  graph.add_node(
      {"ranges", "octet", "RowRanges", {ids}, {ranges}, {{"symbol", std::string("tokens")}}});
  graph.add_node({"embedding", "octet", "Embedding", {ids, table, position, ranges}, {rows}, {}});
  infer_types(graph);
  EXPECT_EQ(graph.value(rows).dims, (Dims{"tokens", 4}));
  const NodeId embedding = graph.order()[1];
  EXPECT_GT(cost_of(graph, embedding, {{"batch", 2}, {"tokens", 6}}).bytes, 0);
  EXPECT_THROW(static_cast<void>(cost_of(graph, embedding, {{"batch", 2}})), Error);
}

}  // namespace
}  // namespace octet
