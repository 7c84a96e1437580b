#include "runtime/table_indices.h"

#include <gtest/gtest.h>

#include "cpu/backend.h"
#include "runtime/engine.h"
#include "tests/expect_error.h"

namespace octet::runtime {
namespace {

constexpr int64_t kRows = 20;

Tensor floats(Shape shape) {
  return Tensor(DType::f32, std::move(shape));
}

/// ids [batch, 3] → rows of a table of kRows, by the operator named.
Graph graph_of(std::string_view op) {
  Graph graph("rows");
  const ValueId ids = graph.add_input("ids", DType::i64, {"batch", 3});
  const ValueId table = graph.add_constant("table", floats({kRows, 8}));
  const ValueId y = graph.add_value("y", DType::f32, {"batch", 3, 8});
  if (op == "Embedding") {
    const ValueId position = graph.add_constant("position", floats({3, 8}));
    graph.add_node({"embedding", "octet", "Embedding", {ids, table, position}, {y}, {}});
  } else {
    graph.add_node({"gather", "", "Gather", {table, ids}, {y}, {{"axis", int64_t{0}}}});
  }
  graph.set_outputs({y});
  return graph;
}

Tensor ids_with(int64_t id) {
  return Tensor::from<int64_t>({2, 3}, std::vector<int64_t>{0, 19, 3, 4, id, 5});
}

void run_on(const Backend& backend, std::string_view op, int64_t id) {
  CompileOptions options;
  options.symbols["batch"] = {1, 2, 2};
  Session session(Engine::load(compile(graph_of(op), backend, options), backend));
  const std::vector<Tensor> inputs{ids_with(id)};
  session.run(inputs);
}

TEST(TableIndices, EveryBackendNamesTheIdOutsideItsTable) {
  const std::string words = " at position 1 of sample 1 is outside the table of 20 rows";
  const cpu::CpuBackend fast;
  const cpu::ReferenceBackend plain;
  for (const Backend* backend :
       {static_cast<const Backend*>(&fast), static_cast<const Backend*>(&plain)}) {
    for (const int64_t id : {kRows, int64_t{-1}, int64_t{1} << 40}) {
      test::expect_error(ErrorCode::usage, {"input 'ids': id " + std::to_string(id) + words},
                         [&] { run_on(*backend, "Embedding", id); });
    }
    run_on(*backend, "Embedding", kRows - 1);
    // Gather counts negative indices from the end.
    run_on(*backend, "Gather", -kRows);
    test::expect_error(ErrorCode::usage, {"id -21 at position 1 of sample 1"},
                       [&] { run_on(*backend, "Gather", -kRows - 1); });
  }
}

TEST(TableIndices, AreFoundBehindViewsAndCasts) {
  Graph graph("behind");
  const ValueId ids = graph.add_input("ids", DType::i32, {"batch", 3});
  const ValueId table = graph.add_constant("table", floats({kRows, 8}));
  const ValueId position = graph.add_constant("position", floats({3, 8}));
  const ValueId same = graph.add_value("same", DType::i32, {"batch", 3});
  const ValueId wide = graph.add_value("wide", DType::i64, {"batch", 3});
  const ValueId y = graph.add_value("y", DType::f32, {"batch", 3, 8});
  graph.add_node({"identity", "", "Identity", {ids}, {same}, {}});
  graph.add_node({"cast", "", "Cast", {same}, {wide}, {{"to", int64_t{7}}}});
  graph.add_node({"embedding", "octet", "Embedding", {wide, table, position}, {y}, {}});
  const std::vector<TableIndices> found = table_indices(graph);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].input, 0U);
  EXPECT_EQ(found[0].least, 0);
  EXPECT_EQ(found[0].rows, kRows);
  const Tensor given = Tensor::from<int32_t>({1, 3}, std::vector<int32_t>{1, 2, 20});
  test::expect_error(ErrorCode::usage, {"id 20 at position 2 of sample 0"},
                     [&] { check_table_indices(found[0], "ids", view_of(given)); });
}

TEST(TableIndices, ComputedOnesAreNotTheCallers) {
  Graph graph("computed");
  const ValueId ids = graph.add_input("ids", DType::i64, {"batch", 3});
  const ValueId table = graph.add_constant("table", floats({kRows, 8}));
  const ValueId last = graph.add_value("last", DType::i64, {"batch"});
  const ValueId y = graph.add_value("y", DType::f32, {"batch", 8});
  graph.add_node({"argmax", "", "ArgMax", {ids}, {last}, {{"axis", int64_t{1}}}});
  graph.add_node({"gather", "", "Gather", {table, last}, {y}, {}});
  EXPECT_TRUE(table_indices(graph).empty());
}

}  // namespace
}  // namespace octet::runtime
