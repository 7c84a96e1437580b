#include "onnx/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>

#include "ops/ops.h"
#include "tensor/codecs.h"
#include "tests/onnx/model_bytes.h"

namespace octet::onnx {
namespace {

using attribute::Type;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Imports `tensor` as the initializer of a graph that copies x to y.
Tensor initializer(const Message& tensor) {
  const Message graph = graph_message()
                            .add(graph::kNode, node_message("Identity", {"x"}, {"y"}))
                            .add(graph::kInitializer, tensor);
  const ImportResult result = import_text(model_bytes(graph));
  return *result.graph.value(*result.graph.find_value("w")).constant;
}

template <typename T>
std::vector<T> values(const Tensor& tensor) {
  const auto span = tensor.values<T>();
  return {span.begin(), span.end()};
}

std::string varint(uint64_t value) {
  std::string bytes;
  protozero::add_varint_to_buffer(&bytes, value);
  return bytes;
}

TEST(Import, FloatDataPackedAndNot) {
  const std::array<float, 2> data{1.5F, -2.0F};
  const std::string packed(reinterpret_cast<const char*>(data.data()), sizeof(data));
  const Tensor one = initializer(tensor_message("w", kFloat, {2}).add(tensor::kFloatData, packed));
  EXPECT_THAT(values<float>(one), ElementsAre(1.5F, -2.0F));
  const Tensor other = initializer(tensor_message("w", kFloat, {2})
                                       .add_float(tensor::kFloatData, 1.5F)
                                       .add_float(tensor::kFloatData, -2.0F));
  EXPECT_EQ(one, other);
}

TEST(Import, PackedDataInSeveralChunks) {
  const Tensor tensor = initializer(tensor_message("w", kInt64, {3})
                                        .add(tensor::kInt64Data, varint(1) + varint(2))
                                        .add(tensor::kInt64Data, varint(UINT64_MAX)));
  EXPECT_THAT(values<int64_t>(tensor), ElementsAre(1, 2, -1));
}

TEST(Import, NarrowTypesInInt32Data) {
  const auto typed = [](DType dtype, int64_t a, int64_t b) {
    return initializer(tensor_message("w", onnx_code_of(dtype), {2})
                           .add(tensor::kInt32Data, a)
                           .add(tensor::kInt32Data, b));
  };
  EXPECT_THAT(values<uint16_t>(typed(DType::f16, 0x3C00, 0xFBFF)), ElementsAre(0x3C00, 0xFBFF));
  EXPECT_THAT(values<uint16_t>(typed(DType::bf16, 0x3F80, 0)), ElementsAre(0x3F80, 0));
  EXPECT_THAT(values<uint8_t>(typed(DType::f8e4m3, 0x38, 0xFE)), ElementsAre(0x38, 0xFE));
  EXPECT_THAT(values<int8_t>(typed(DType::i8, -128, 127)), ElementsAre(-128, 127));
  EXPECT_THAT(values<uint8_t>(typed(DType::u8, 0, 255)), ElementsAre(0, 255));
  EXPECT_THAT(values<int16_t>(typed(DType::i16, -32768, 1)), ElementsAre(-32768, 1));
  EXPECT_THAT(values<int32_t>(typed(DType::i32, INT32_MIN, 9)), ElementsAre(INT32_MIN, 9));
  EXPECT_THAT(values<uint8_t>(typed(DType::boolean, 1, 0)), ElementsAre(1, 0));
}

TEST(Import, WideTypes) {
  const double wide = 0.1;
  const std::string bytes(reinterpret_cast<const char*>(&wide), sizeof(wide));
  const Tensor f64 = initializer(
      tensor_message("w", onnx_code_of(DType::f64), {}).add(tensor::kDoubleData, bytes));
  EXPECT_THAT(values<double>(f64), ElementsAre(0.1));
  const Tensor u32 = initializer(tensor_message("w", onnx_code_of(DType::u32), {1})
                                     .add(tensor::kUint64Data, int64_t{UINT32_MAX}));
  EXPECT_THAT(values<uint32_t>(u32), ElementsAre(UINT32_MAX));
}

TEST(Import, RawDataOffItsAlignmentIsCopied) {
  const std::array<float, 2> data{1.5F, -2.0F};
  const std::string raw(reinterpret_cast<const char*>(data.data()), sizeof(data));
  for (size_t pad = 0; pad < 4; ++pad) {  // every alignment once
    const Message graph =
        graph_message()
            .add(graph::kNode, node_message("Identity", {"x"}, {"y"}))
            .add(10, std::string(pad, 'd'))  // doc_string
            .add(graph::kInitializer, tensor_message("w", kFloat, {2}).add(tensor::kRawData, raw));
    const ImportResult result = import_text(model_bytes(graph));
    const Tensor& w = *result.graph.value(*result.graph.find_value("w")).constant;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(w.bytes().data()) % alignof(float), 0u);
    EXPECT_THAT(values<float>(w), ElementsAre(1.5F, -2.0F));
  }
}

Tensor constant_node(const Message& attribute) {
  const Message graph =
      graph_message()
          .add(graph::kNode, node_message("Constant", {}, {"c"}).add(node::kAttribute, attribute))
          .add(graph::kNode, node_message("Identity", {"x"}, {"y"}));
  const ImportResult result = import_text(model_bytes(graph));
  EXPECT_EQ(result.graph.order().size(), 1u);
  return *result.graph.value(*result.graph.find_value("c")).constant;
}

TEST(Import, ConstantNodesBecomeConstants) {
  EXPECT_EQ(constant_node(attribute_message("value", Type::tensor)
                              .add(attribute::kTensor,
                                   tensor_message("", kInt64, {1}).add(tensor::kInt64Data, 3))),
            (Tensor::from<int64_t>({1}, std::array<int64_t, 1>{3})));
  EXPECT_EQ(constant_node(
                attribute_message("value_float", Type::real).add_float(attribute::kFloat, 0.5F)),
            Tensor::scalar(0.5F));
  EXPECT_EQ(constant_node(attribute_message("value_int", Type::integer).add(attribute::kInt, -4)),
            Tensor::scalar<int64_t>(-4));
  EXPECT_EQ(constant_node(attribute_message("value_ints", Type::integers)
                              .add(attribute::kInts, 1)
                              .add(attribute::kInts, 2)),
            (Tensor::from<int64_t>({2}, std::array<int64_t, 2>{1, 2})));
}

TEST(Import, PackedAttributeLists) {
  const Message graph = graph_message().add(
      graph::kNode,
      node_message("Transpose", {"x"}, {"y"})
          .add(node::kAttribute,
               attribute_message("perm", Type::integers).add(attribute::kInts, varint(0))));
  const ImportResult result = import_text(model_bytes(graph));
  EXPECT_THAT(result.graph.node(result.graph.order()[0]).integers("perm"), ElementsAre(0));
}

TEST(Import, NodesAreSorted) {
  const Message graph = graph_message()
                            .add(graph::kNode, node_message("Sigmoid", {"b"}, {"y"}, "third"))
                            .add(graph::kNode, node_message("Tanh", {"a"}, {"b"}, "second"))
                            .add(graph::kNode, node_message("Identity", {"x"}, {"a"}, "first"));
  const ImportResult result = import_text(model_bytes(graph));
  std::vector<std::string> names;
  for (const NodeId id : result.graph.order()) names.push_back(result.graph.node(id).name);
  EXPECT_THAT(names, ElementsAre("first", "second", "third"));
  EXPECT_THAT(result.notices, ElementsAre(HasSubstr("sorted")));
}

TEST(Import, MissingAndRepeatedNodeNames) {
  const Message graph = graph_message()
                            .add(graph::kNode, node_message("Identity", {"x"}, {"a"}))
                            .add(graph::kNode, node_message("Identity", {"a"}, {"b"}, "a"))
                            .add(graph::kNode, node_message("Identity", {"b"}, {"c"}, "a"))
                            .add(graph::kNode, node_message("Identity", {"c"}, {"y"}, "a_2"));
  const ImportResult result = import_text(model_bytes(graph));
  std::vector<std::string> names;
  for (const NodeId id : result.graph.order()) names.push_back(result.graph.node(id).name);
  EXPECT_THAT(names, ElementsAre("a", "a_2", "a_3", "a_2_2"));
  EXPECT_THAT(result.notices, ElementsAre(HasSubstr("3 nodes")));
}

TEST(Import, TensorRtDomainIsOnnx) {
  const Message scale =
      tensor_message("s", onnx_code_of(DType::f32), {}).add_float(tensor::kFloatData, 0.5F);
  const Message zero = tensor_message("z", onnx_code_of(DType::f8e4m3), {1})
                           .add(tensor::kRawData, std::string(1, '\0'));
  const Message graph =
      graph_message()
          .add(graph::kNode,
               node_message("QuantizeLinear", {"x", "s", "z"}, {"q"}).add(node::kDomain, "trt"))
          .add(graph::kNode,
               node_message("DequantizeLinear", {"q", "s"}, {"y"}).add(node::kDomain, "trt"))
          .add(graph::kInitializer, scale)
          .add(graph::kInitializer, zero)
          .add(graph::kValueInfo, value_message("q", onnx_code_of(DType::u8), {2}));
  const ImportResult result = import_text(model_bytes(graph));
  EXPECT_TRUE(result.graph.node(result.graph.order()[0]).is("QuantizeLinear"));
  EXPECT_EQ(result.graph.value(*result.graph.find_value("q")).dtype, DType::f8e4m3);
  EXPECT_THAT(result.notices, ElementsAre(HasSubstr("2 Q/DQ nodes of domain 'trt'"),
                                          HasSubstr("'q' is f8e4m3, declared u8")));
}

TEST(Import, BothNamesOfTheDefaultDomain) {
  const Message graph = graph_message().add(
      graph::kNode, node_message("Identity", {"x"}, {"y"}).add(node::kDomain, "ai.onnx"));
  const std::string text =
      Message()
          .add(model::kIrVersion, 8)
          .add(model::kGraph, graph)
          .add(model::kOpsetImport,
               Message().add(opset::kDomain, "ai.onnx").add(opset::kVersion, 17))
          .bytes();
  const ImportResult result = import_text(text);
  EXPECT_EQ(result.opset, 17);
  EXPECT_EQ(result.graph.node(result.graph.order()[0]).domain, "");
}

TEST(Import, OpenExtentsGetSymbols) {
  const Message graph = Message()
                            .add(graph::kInput, value_message("x", kFloat, {-1, 3}))
                            .add(graph::kOutput, value_message("y", kFloat, {}))
                            .add(graph::kNode, node_message("Identity", {"x"}, {"y"}));
  const ImportResult result = import_text(model_bytes(graph));
  EXPECT_EQ(result.graph.value(result.graph.inputs()[0]).dims, (Dims{"x_dim_0", 3}));
  EXPECT_EQ(result.graph.value(result.graph.outputs()[0]).dims, (Dims{"x_dim_0", 3}));
  EXPECT_EQ(result.graph.name(), "graph");
}

TEST(Import, InputWithInitializerIsAConstant) {
  const Message graph =
      graph_message()
          .add(graph::kInput, value_message("w", kFloat, {}))
          .add(graph::kInitializer,
               tensor_message("w", kFloat, {}).add_float(tensor::kFloatData, 2.0F))
          .add(graph::kNode, node_message("Mul", {"x", "w"}, {"y"}));
  const ImportResult result = import_text(model_bytes(graph));
  EXPECT_EQ(result.graph.inputs().size(), 1u);
  EXPECT_THAT(result.notices, ElementsAre(HasSubstr("1 inputs have an initializer")));
}

TEST(Import, ReduceAxesMoveToAnInput) {
  const Message reduce =
      node_message("ReduceMean", {"x"}, {"y"}, "mean")
          .add(node::kAttribute, attribute_message("axes", Type::integers).add(attribute::kInts, 0))
          .add(node::kAttribute,
               attribute_message("keepdims", Type::integer).add(attribute::kInt, 1));
  const Message graph = graph_message().add(graph::kNode, reduce);
  const ImportResult result = import_text(model_bytes(graph, 17), {.infer = false});
  const Node& node = result.graph.node(result.graph.order()[0]);
  ASSERT_EQ(node.inputs.size(), 2u);
  EXPECT_EQ(*result.graph.value(node.inputs[1]).constant,
            (Tensor::from<int64_t>({1}, std::array<int64_t, 1>{0})));
  EXPECT_FALSE(node.attributes.contains("axes"));
}

TEST(Import, UnknownFieldsAreIgnored) {
  const Message graph = graph_message()
                            .add(graph::kNode, node_message("Identity", {"x"}, {"y"})
                                                   .add(9, "metadata")
                                                   .add(77, int64_t{3})
                                                   .add_float(78, 1.0F))
                            .add(99, "unknown");
  EXPECT_EQ(import_text(model_bytes(graph)).graph.order().size(), 1u);
}

}  // namespace
}  // namespace octet::onnx
