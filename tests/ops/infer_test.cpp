#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "tests/ops/inference.h"

namespace octet {
namespace {

TEST(OpTable, NamesAreUniqueAndFound) {
  std::set<std::pair<std::string_view, std::string_view>> names;
  for (const OpSchema& schema : all_ops()) {
    EXPECT_TRUE(names.emplace(schema.domain, schema.op).second) << schema.op;
    EXPECT_EQ(find_op(schema.domain, schema.op), &schema) << schema.op;
    EXPECT_LE(schema.min_inputs, schema.max_inputs) << schema.op;
    EXPECT_NE(schema.infer, nullptr) << schema.op;
  }
  EXPECT_EQ(find_op("", "Attention"), nullptr);
  EXPECT_EQ(find_op("octet", "Add"), nullptr);
}

TEST(OpTable, DtypeCodesAreThoseOfOnnx) {
  EXPECT_EQ(onnx_code_of(DType::f32), 1);
  EXPECT_EQ(onnx_code_of(DType::f16), 10);
  EXPECT_EQ(onnx_code_of(DType::f8e4m3), 17);
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::f8e4m3, DType::f8e5m2,
                            DType::f64, DType::i8, DType::i16, DType::i32, DType::i64, DType::u8,
                            DType::u16, DType::u32, DType::u64, DType::boolean}) {
    EXPECT_EQ(dtype_from_onnx(onnx_code_of(dtype)), dtype);
  }
  EXPECT_THROW(static_cast<void>(dtype_from_onnx(8)), Error);
}

TEST(Infer, UnknownOperatorAndOperandCounts) {
  const Given x(DType::f32, {2});
  expect_refused("not known", "Celu", {x});
  expect_refused("it takes 2", "Add", {x});
  expect_refused("it takes 2 to 3", "Gemm", {x});
  expect_refused("at least 1", "Concat", {});
  expect_refused("input 1 is missing", "Add", {x, Given::absent()});
}

TEST(Infer, WritesEveryValueInOrder) {
  Graph graph;
  const ValueId x = graph.add_input("x", DType::f16, {"batch", 3});
  const ValueId y = graph.add_value("y");
  const ValueId z = graph.add_value("z");
  graph.add_node({"first", "", "Sigmoid", {x}, {y}, {}});
  graph.add_node({"second", "", "Add", {y, y}, {z}, {}});
  infer_types(graph);
  EXPECT_EQ(graph.value(z).dtype, DType::f16);
  EXPECT_EQ(graph.value(z).dims, (Dims{"batch", 3}));
}

TEST(Infer, BindReplacesKnownSymbols) {
  const Dims dims{"batch", 3, "tokens"};
  EXPECT_EQ(octet::bind(dims, {{"batch", 8}}), (Dims{8, 3, "tokens"}));
}

TEST(Infer, Elementwise) {
  const Given x(DType::f16, {"batch", 5, 1});
  EXPECT_EQ(infer_one("Add", {x, {DType::f16, {4}}}), (ValueType{DType::f16, {"batch", 5, 4}}));
  EXPECT_EQ(infer_one("Mul", {{DType::i64, {}}, {DType::i64, {2}}}), (ValueType{DType::i64, {2}}));
  EXPECT_EQ(infer_one("Equal", {x, {DType::f16, {}}}),
            (ValueType{DType::boolean, {"batch", 5, 1}}));
  EXPECT_EQ(infer_one("Where", {{DType::boolean, {5, 1}}, x, {DType::f16, {3}}}),
            (ValueType{DType::f16, {"batch", 5, 3}}));
  EXPECT_EQ(infer_one("Cast", {x}, {{"to", int64_t{7}}}), (ValueType{DType::i64, {"batch", 5, 1}}));
  EXPECT_EQ(infer_one("QuickGelu", {x}, {}, "octet"), (ValueType{DType::f16, {"batch", 5, 1}}));
}

TEST(Infer, ElementwiseRefusals) {
  const Given x(DType::f16, {"batch", 5});
  expect_refused("input 0 is f16 and input 1 is f32", "Add", {x, {DType::f32, {5}}});
  expect_refused("do not broadcast", "Add", {x, {DType::f16, {4}}});
  expect_refused("do not broadcast", "Add", {x, {DType::f16, {8, 5}}});
  expect_refused("do not broadcast", "Add", {x, {DType::f16, {"tokens", 5}}});
  expect_refused("must be one of", "Sigmoid", {{DType::i64, {3}}});
  expect_refused("must be one of", "Pow", {{DType::i64, {3}}, {DType::i64, {}}});
  expect_refused("none or tanh", "Gelu", {x}, {{"approximate", std::string("sigmoid")}});
  expect_refused("bool", "Where", {x, x, x});
  expect_refused("cast to u8", "Cast", {x}, {{"to", int64_t{2}}});
}

TEST(Infer, ConstantTakesItsTensor) {
  const Tensor value(DType::f16, {2, 3});
  EXPECT_EQ(infer_one("Constant", {}, {{"value", value}}), (ValueType{DType::f16, {2, 3}}));
  expect_refused("attribute value", "Constant", {});
}

TEST(Infer, Normalization) {
  const Given x(DType::f16, {"batch", 5, 8});
  const Given gain(DType::f16, {8});
  EXPECT_EQ(infer_one("LayerNormalization", {x, gain, gain}),
            (ValueType{DType::f16, {"batch", 5, 8}}));
  EXPECT_EQ(infer_one("Softmax", {x}, {{"axis", int64_t{1}}}),
            (ValueType{DType::f16, {"batch", 5, 8}}));
  const Attributes codes{{"out_dtype", std::string("f8e4m3")}, {"y_scale", 0.5F}};
  EXPECT_EQ(infer_one("LayerNorm", {x, gain}, codes, "octet"),
            (ValueType{DType::f8e4m3, {"batch", 5, 8}}));
  expect_refused("it must be [8]", "LayerNormalization", {x, {DType::f16, {7}}});
  expect_refused("last axis", "LayerNormalization", {x, gain}, {{"axis", int64_t{1}}});
  expect_refused("axis 3 does not exist", "Softmax", {x}, {{"axis", int64_t{3}}});
  expect_refused("y_scale", "LayerNorm", {x, gain}, {{"out_dtype", std::string("f8e4m3")}},
                 "octet");
  expect_refused("f32, f16 or f8e4m3", "LayerNorm", {x, gain}, {{"out_dtype", std::string("bf16")}},
                 "octet");
}

TEST(Infer, Quantization) {
  const Given x(DType::f16, {"batch", 8});
  const Given scale(DType::f16, {});
  const Given zero(Tensor(DType::f8e4m3, {}));
  const Given codes(DType::f8e4m3, {"batch", 8});
  EXPECT_EQ(infer_one("QuantizeLinear", {x, scale, zero}),
            (ValueType{DType::f8e4m3, {"batch", 8}}));
  EXPECT_EQ(infer_one("QuantizeLinear", {x, {DType::f16, {8}}, zero}).dtype, DType::f8e4m3);
  EXPECT_EQ(infer_one("QuantizeLinear", {x, scale}, {{"output_dtype", int64_t{17}}}).dtype,
            DType::f8e4m3);
  EXPECT_EQ(infer_one("DequantizeLinear", {codes, {DType::f32, {}}}),
            (ValueType{DType::f32, {"batch", 8}}));
  expect_refused("u8", "QuantizeLinear", {x, scale});
  expect_refused("must be the same", "QuantizeLinear", {x, {DType::f32, {}}, zero});
  expect_refused("it must be [8]", "QuantizeLinear", {x, {DType::f16, {7}}, zero});
  expect_refused("f8e4m3", "QuantizeLinear", {x, scale, Given(Tensor(DType::i8, {}))});
  Tensor one(DType::f8e4m3, {});
  one.mutable_values<uint8_t>()[0] = 1;
  expect_refused("constant 0", "QuantizeLinear", {x, scale, Given(one)});
  expect_refused("f8e4m3", "DequantizeLinear", {{DType::i8, {4}}, scale});
  expect_refused("blocked", "QuantizeLinear", {x, scale, zero}, {{"block_size", int64_t{32}}});
}

}  // namespace
}  // namespace octet
