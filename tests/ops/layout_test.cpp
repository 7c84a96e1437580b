#include <gtest/gtest.h>

#include "tests/expect_error.h"
#include "tests/ops/inference.h"

namespace octet {
namespace {

const Given kImage(DType::f16, {"batch", 6, 8});

Dims reshaped(const Dims& dims, const std::vector<int64_t>& target, int64_t allow_zero = 0) {
  return infer_one("Reshape", {{DType::f32, dims}, integers(target)}, {{"allowzero", allow_zero}})
      .dims;
}

TEST(Reshape, ZeroCopiesAndMinusOneTakesTheRest) {
  EXPECT_EQ(reshaped({"batch", 6, 8}, {0, 0, 2, 4}), (Dims{"batch", 6, 2, 4}));
  EXPECT_EQ(reshaped({"batch", 6, 8}, {0, -1}), (Dims{"batch", 48}));
  EXPECT_EQ(reshaped({"batch", 6, 8}, {-1, 48}), (Dims{"batch", 48}));
  EXPECT_EQ(reshaped({"batch", 6, 8}, {-1, 4, 12}), (Dims{"batch", 4, 12}));
  EXPECT_EQ(reshaped({6, 8}, {-1}), (Dims{48}));
  EXPECT_EQ(reshaped({"batch", "tokens", 8}, {0, -1, 2, 4}), (Dims{"batch", "tokens", 2, 4}));
  EXPECT_EQ(reshaped({1}, {}), (Dims{}));
  EXPECT_EQ(reshaped({int64_t{0}, 3}, {3, 0}, 1), (Dims{3, int64_t{0}}));
}

TEST(Reshape, Refusals) {
  const auto refuse = [](const std::string& part, const std::vector<int64_t>& target) {
    expect_refused(part, "Reshape", {kImage, integers(target)});
  };
  refuse("cannot take the shape", {0, 47});
  refuse("cannot take the shape", {8, 48});
  refuse("would have no name", {-1, 8});
  refuse("would have no name", {-1});
  refuse("more than one -1", {-1, -1, 8});
  refuse("copies an axis", {0, 6, 8, 0});
  refuse("holds -2", {-2, 48});
  expect_refused("computed from data", "Reshape", {kImage, {DType::i64, {3}}});
  expect_refused("must be one of i64", "Reshape", {kImage, Given(Tensor(DType::f32, {2}))});
}

TEST(Layout, Flatten) {
  EXPECT_EQ(infer_one("Flatten", {kImage}).dims, (Dims{"batch", 48}));
  EXPECT_EQ(infer_one("Flatten", {{DType::f32, {2, 3, 4}}}, {{"axis", int64_t{-1}}}).dims,
            (Dims{6, 4}));
  EXPECT_EQ(infer_one("Flatten", {{DType::f32, {2, 3}}}, {{"axis", int64_t{0}}}).dims,
            (Dims{1, 6}));
  expect_refused("would have no name", "Flatten", {kImage}, {{"axis", int64_t{2}}});
  expect_refused("axis 4 does not exist", "Flatten", {kImage}, {{"axis", int64_t{4}}});
}

TEST(Layout, SqueezeAndUnsqueeze) {
  const Given x(DType::f32, {1, "batch", 1, 4});
  EXPECT_EQ(infer_one("Squeeze", {x, integers({0, -2})}).dims, (Dims{"batch", 4}));
  EXPECT_EQ(infer_one("Squeeze", {x}).dims, (Dims{"batch", 4}));
  EXPECT_EQ(infer_one("Squeeze", {x}, {{"axes", std::vector<int64_t>{2}}}).dims,
            (Dims{1, "batch", 4}));
  EXPECT_EQ(infer_one("Unsqueeze", {kImage, integers({0, -1})}).dims, (Dims{1, "batch", 6, 8, 1}));
  expect_refused("is not 1", "Squeeze", {x, integers({1})});
  expect_refused("named twice", "Unsqueeze", {kImage, integers({0, -5})});
  expect_refused("does not exist", "Unsqueeze", {kImage, integers({5})});
}

TEST(Layout, Transpose) {
  EXPECT_EQ(infer_one("Transpose", {kImage}).dims, (Dims{8, 6, "batch"}));
  EXPECT_EQ(infer_one("Transpose", {kImage}, {{"perm", std::vector<int64_t>{0, 2, 1}}}).dims,
            (Dims{"batch", 8, 6}));
  expect_refused("once", "Transpose", {kImage}, {{"perm", std::vector<int64_t>{0, 1}}});
  expect_refused("once", "Transpose", {kImage}, {{"perm", std::vector<int64_t>{0, 1, 1}}});
}

TEST(Layout, Concat) {
  const Attributes last{{"axis", int64_t{-1}}};
  EXPECT_EQ(infer_one("Concat", {kImage, {DType::f16, {"batch", 6, 1}}}, last).dims,
            (Dims{"batch", 6, 9}));
  EXPECT_EQ(infer_one("Concat", {kImage}, {{"axis", int64_t{0}}}).dims, (Dims{"batch", 6, 8}));
  expect_refused("'batch'", "Concat", {kImage, kImage}, {{"axis", int64_t{0}}});
  expect_refused("must be [batch, 6, 1]", "Concat", {kImage, {DType::f16, {"batch", 5, 1}}}, last);
  expect_refused("must be the same", "Concat", {kImage, {DType::f32, {"batch", 6, 1}}}, last);
}

TEST(Layout, Slice) {
  const auto slice = [](const std::vector<int64_t>& begin, const std::vector<int64_t>& end,
                        const std::vector<int64_t>& axes, const std::vector<int64_t>& steps) {
    return infer_one("Slice",
                     {kImage, integers(begin), integers(end), integers(axes), integers(steps)})
        .dims;
  };
  EXPECT_EQ(slice({1}, {5}, {1}, {1}), (Dims{"batch", 4, 8}));
  EXPECT_EQ(slice({1, -100}, {INT64_MAX, 100}, {1, 2}, {2, 3}), (Dims{"batch", 3, 3}));
  EXPECT_EQ(slice({-1}, {INT64_MIN}, {2}, {-1}), (Dims{"batch", 6, 8}));
  EXPECT_EQ(slice({5}, {2}, {1}, {1}), (Dims{"batch", int64_t{0}, 8}));
  EXPECT_EQ(slice({0}, {INT64_MAX}, {0}, {1}), (Dims{"batch", 6, 8}));
  expect_refused("'batch'", "Slice", {kImage, integers({1}), integers({3})});
  expect_refused("step of 0", "Slice",
                 {kImage, integers({1}), integers({3}), integers({1}), integers({0})});
  expect_refused("same length", "Slice", {kImage, integers({1, 2}), integers({3})});
  expect_refused("must be a constant", "Slice", {kImage, {DType::i64, {1}}, integers({3})});
}

TEST(Layout, Pad) {
  EXPECT_EQ(infer_one("Pad", {kImage, integers({0, 1, 0, 0, 2, 3})}).dims, (Dims{"batch", 9, 11}));
  EXPECT_EQ(infer_one("Pad", {kImage, integers({1, 1}), Given::absent(), integers({-1})}).dims,
            (Dims{"batch", 6, 10}));
  expect_refused("'batch'", "Pad", {kImage, integers({1, 0, 0, 0, 0, 0})});
  expect_refused("negative ones", "Pad", {kImage, integers({0, -1, 0, 0, 0, 0})});
  expect_refused("do not fit", "Pad", {kImage, integers({0, 0})});
  expect_refused("mode", "Pad", {kImage, integers({0, 0, 0, 0, 0, 0})},
                 {{"mode", std::string("edge")}});
}

TEST(Layout, Expand) {
  EXPECT_EQ(infer_one("Expand", {{DType::f32, {3, 1}}, integers({2, 1, 4})}).dims, (Dims{2, 3, 4}));
  EXPECT_EQ(infer_one("Expand", {kImage, integers({1, 1, 8})}).dims, (Dims{"batch", 6, 8}));
  expect_refused("do not broadcast", "Expand", {kImage, integers({4, 6, 8})});
  expect_refused("holds -1", "Expand", {{DType::f32, {3, 1}}, integers({3, -1})});
}

TEST(Layout, Shape) {
  EXPECT_EQ(infer_one("Shape", {kImage}), (ValueType{DType::i64, {3}}));
  EXPECT_EQ(infer_one("Shape", {kImage}, {{"start", int64_t{-2}}}).dims, (Dims{2}));
  EXPECT_EQ(infer_one("Shape", {kImage}, {{"start", int64_t{1}}, {"end", int64_t{2}}}).dims,
            (Dims{1}));
}

/// Shape → Cast → Slice → Concat with a constant → Reshape and Expand: the symbol survives.
TEST(Layout, TargetsThatFollowFromShape) {
  Graph graph;
  const auto add = [&](const std::string& op, std::vector<ValueId> inputs,
                       Attributes attributes = {}) {
    const std::string name = fmt::format("value_{}", graph.value_count());
    const ValueId output = graph.add_value(name);
    graph.add_node({name, "", op, std::move(inputs), {output}, std::move(attributes)});
    return output;
  };
  const auto constant = [&](const std::vector<int64_t>& values) {
    return graph.add_constant(fmt::format("constant_{}", graph.value_count()),
                              *integers(values).constant);
  };
  const ValueId x = graph.add_input("x", DType::f32, {"batch", 6, 8});
  const ValueId shape = add("Shape", {x});
  const ValueId narrow = add("Cast", {shape}, {{"to", onnx_code_of(DType::i32)}});
  const ValueId wide = add("Cast", {narrow}, {{"to", onnx_code_of(DType::i64)}});
  const ValueId batch = add("Slice", {wide, constant({0}), constant({1})});
  const ValueId target = add("Concat", {batch, constant({-1})}, {{"axis", int64_t{0}}});
  const ValueId flat = add("Reshape", {x, target});
  const ValueId corner = add("Concat", {batch, constant({3, 1})}, {{"axis", int64_t{0}}});
  const ValueId row = graph.add_constant("row", Tensor(DType::f32, {1, 1, 4}));
  const ValueId expanded = add("Expand", {row, corner});
  infer_types(graph);
  EXPECT_EQ(graph.value(flat).dims, (Dims{"batch", 48}));
  EXPECT_EQ(graph.value(expanded).dims, (Dims{"batch", 3, 4}));
}

/// Extents that only look followable: a matrix of them, or truth values.
TEST(Layout, TargetsThatCannotBeFollowed) {
  for (const bool through_matrix : {false, true}) {
    Graph graph;
    const ValueId x = graph.add_input("x", DType::f32, {2, 3});
    const ValueId shape = graph.add_value("shape");
    const ValueId middle = graph.add_value("middle");
    const ValueId target = graph.add_value("target");
    const ValueId y = graph.add_value("y");
    graph.add_node({"shape", "", "Shape", {x}, {shape}, {}});
    if (through_matrix) {
      const ValueId matrix = graph.add_constant("matrix", *integers({1, 2}).constant);
      const ValueId first = graph.add_constant("first", Tensor::scalar<int64_t>(0));
      graph.add_node({"matrix", "", "Reshape", {shape, matrix}, {middle}, {}});
      graph.add_node({"row", "", "Gather", {middle, first}, {target}, {}});
    } else {
      graph.add_node(
          {"truth", "", "Cast", {shape}, {middle}, {{"to", onnx_code_of(DType::boolean)}}});
      graph.add_node({"back", "", "Cast", {middle}, {target}, {{"to", onnx_code_of(DType::i64)}}});
    }
    graph.add_node({"node", "", "Reshape", {x, target}, {y}, {}});
    test::expect_error(ErrorCode::bad_input, {"'node'", "computed from data"},
                       [&] { infer_types(graph); });
  }
}

/// Each Concat doubles its input: following them all would never end.
TEST(Layout, EndlessTargetsAreRefused) {
  Graph graph;
  const ValueId x = graph.add_input("x", DType::f32, {2, 3});
  ValueId target = graph.add_value("shape");
  graph.add_node({"shape", "", "Shape", {x}, {target}, {}});
  const ValueId first = graph.add_constant("first", *integers({0, 1}).constant);
  for (int i = 0; i < 60; ++i) {
    const ValueId twice = graph.add_value(fmt::format("twice_{}", i));
    const ValueId half = graph.add_value(fmt::format("half_{}", i));
    graph.add_node({fmt::format("concat_{}", i),
                    "",
                    "Concat",
                    {target, target},
                    {twice},
                    {{"axis", int64_t{0}}}});
    graph.add_node({fmt::format("gather_{}", i), "", "Gather", {twice, first}, {half}, {}});
    target = half;
  }
  const ValueId y = graph.add_value("y");
  graph.add_node({"node", "", "Reshape", {x, target}, {y}, {}});
  test::expect_error(ErrorCode::bad_input, {"'node'"}, [&] { infer_types(graph); });
}

TEST(Layout, GatherAndGatherND) {
  const Attributes second{{"axis", int64_t{1}}};
  EXPECT_EQ(infer_one("Gather", {kImage, {DType::i64, {}}}, second).dims, (Dims{"batch", 8}));
  EXPECT_EQ(infer_one("Gather", {{DType::f16, {99, 8}}, {DType::i64, {"batch", 7}}}).dims,
            (Dims{"batch", 7, 8}));
  const Attributes batched{{"batch_dims", int64_t{1}}};
  EXPECT_EQ(infer_one("GatherND", {kImage, {DType::i64, {"batch", 1}}}, batched).dims,
            (Dims{"batch", 8}));
  EXPECT_EQ(infer_one("GatherND", {kImage, {DType::i64, {5, 2}}}).dims, (Dims{5, 8}));
  expect_refused("must be the same", "GatherND", {kImage, {DType::i64, {"tokens", 1}}}, batched);
  expect_refused("do not fit", "GatherND", {kImage, {DType::i64, {"batch", 3}}}, batched);
  expect_refused("axis 4 does not exist", "Gather", {kImage, {DType::i64, {}}},
                 {{"axis", int64_t{4}}});
  expect_refused("must be one of", "Gather", {kImage, {DType::f32, {}}});
}

TEST(Layout, Reductions) {
  EXPECT_EQ(infer_one("ReduceMean", {kImage, integers({-1})}).dims, (Dims{"batch", 6, 1}));
  EXPECT_EQ(infer_one("ReduceMean", {kImage, integers({1, 2})}, {{"keepdims", int64_t{0}}}).dims,
            (Dims{"batch"}));
  EXPECT_EQ(infer_one("ReduceMean", {kImage}).dims, (Dims{1, 1, 1}));
  EXPECT_EQ(infer_one("ReduceMean", {kImage}, {{"noop_with_empty_axes", int64_t{1}}}).dims,
            (Dims{"batch", 6, 8}));
  EXPECT_EQ(infer_one("ArgMax", {kImage}, {{"axis", int64_t{1}}}),
            (ValueType{DType::i64, {"batch", 1, 8}}));
  EXPECT_EQ(infer_one("ArgMax", {kImage}, {{"axis", int64_t{-1}}, {"keepdims", int64_t{0}}}).dims,
            (Dims{"batch", 6}));
  expect_refused("axis 0 is empty", "ArgMax", {{DType::f32, {int64_t{0}, 2}}});
  expect_refused("select_last_index", "ArgMax", {kImage}, {{"select_last_index", int64_t{1}}});
}

}  // namespace
}  // namespace octet
