// Files of other exporters (tests/golden/interop/README.md says which), against the checkpoint
// they were made from.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>

#include "checkpoint/safetensors.h"
#include "onnx/import.h"

namespace octet::onnx {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::filesystem::path mini_clip(const std::string& file) {
  return std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/interop/random/mini-clip" / file;
}

/// Their Reshape targets are computed in the graph, which types alone cannot follow.
ImportResult parse(const std::string& file) {
  return import_file(mini_clip(file), {.infer = false});
}

std::map<std::string, int> count_ops(const Graph& graph) {
  std::map<std::string, int> counts;
  for (const NodeId id : graph.order()) ++counts[graph.node(id).op];
  return counts;
}

const Tensor& constant(const Graph& graph, const std::string& name) {
  return *graph.value(graph.find_value(name).value()).constant;
}

void expect_image_input(const Graph& graph, const std::string& name, DType dtype) {
  ASSERT_EQ(graph.inputs().size(), 1u);
  const Value& input = graph.value(graph.inputs()[0]);
  EXPECT_EQ(input.name, name);
  EXPECT_EQ(input.dtype, dtype);
  EXPECT_EQ(input.dims, (Dims{"batch", 3, 32, 32}));
}

TEST(ForeignFiles, TorchFp16) {
  const ImportResult result = parse("onnx-fp16/image.onnx");
  EXPECT_EQ(result.opset, 20);
  EXPECT_EQ(result.ir_version, 10);
  EXPECT_EQ(result.producer_name, "pytorch");
  EXPECT_EQ(result.producer_version, "2.11.0");
  EXPECT_TRUE(result.notices.empty());
  auto ops = count_ops(result.graph);
  EXPECT_EQ(result.graph.order().size(), 172u - 52u) << "52 of 172 nodes are Constants";
  EXPECT_EQ(ops["MatMul"], 17);
  EXPECT_EQ(ops["LayerNormalization"], 6);
  EXPECT_EQ(ops["Constant"], 0);
  expect_image_input(result.graph, "image_input", DType::f16);
}

TEST(ForeignFiles, WeightsAreTheCheckpoints) {
  const Graph graph = parse("onnx-fp16/image.onnx").graph;
  const auto checkpoint = checkpoint::read_safetensors(mini_clip("model.safetensors"));
  int compared = 0;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!graph.find_value("m." + name)) continue;  // products have theirs transposed and renamed
    EXPECT_EQ(constant(graph, "m." + name), tensor) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 27);
}

TEST(ForeignFiles, ModelOptFp8) {
  const ImportResult result = parse("onnx-fp8/image.onnx");
  auto ops = count_ops(result.graph);
  EXPECT_EQ(ops["QuantizeLinear"], 23);
  EXPECT_EQ(ops["DequantizeLinear"], 37);
  EXPECT_THAT(result.notices, Contains(HasSubstr("59 Q/DQ nodes of domain 'trt'")));
  const Tensor& codes =
      constant(result.graph, "/vision_model/encoder/layers.0/mlp/fc1/weight_quantizer/fp8_weights");
  EXPECT_EQ(codes.dtype(), DType::f8e4m3);
  EXPECT_EQ(codes.shape(), (Shape{64, 128}));
}

TEST(ForeignFiles, OnnxRuntimeFp8) {
  const ImportResult result = parse("ort-quant/image-fp8-matmul.onnx");
  EXPECT_EQ(result.producer_name, "onnx.quantize");
  auto ops = count_ops(result.graph);
  EXPECT_EQ(ops["QuantizeLinear"], 36);
  EXPECT_EQ(ops["DequantizeLinear"], 50);
  EXPECT_EQ(ops["Gemm"], 1);
  EXPECT_TRUE(result.metadata.contains("onnx.infer"));
  expect_image_input(result.graph, "pixel_values", DType::f32);
}

}  // namespace
}  // namespace octet::onnx
