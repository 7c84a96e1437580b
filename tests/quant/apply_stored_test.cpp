#include "quant/apply_stored.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "checkpoint/safetensors.h"
#include "quant/calibrator.h"
#include "quant/insert.h"
#include "runtime/engine.h"
#include "tensor/codecs.h"
#include "tests/quant/model_runs.h"

namespace octet::quant {
namespace {

using models::ClipModel;
using models::Tower;
using test::count_nodes;
using test::row_cosines;

const std::filesystem::path kInterop =
    std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/interop";

/// Bars for other tools' checkpoints against those tools' own outputs.
constexpr double kBlock = 0.9999;
constexpr double kEmbeddingMean = 0.998;
constexpr double kEmbeddingMinimum = 0.995;
constexpr double kLossyMean = 0.99;      // a layout that lost scales, against FP32
constexpr double kBfloat16Mean = 0.995;  // references that were computed in BF16

const ClipModel& modelopt() {
  static const ClipModel model =
      test::open_model("tests/golden/interop/random/mini-clip/modelopt-ckpt");
  return model;
}

const checkpoint::SafetensorsFile& modelopt_reference() {
  static const auto file =
      checkpoint::read_safetensors(kInterop / "random/mini-clip/reference.safetensors");
  return file;
}

const char* input_name(Tower tower) {
  return tower == Tower::text ? "input_ids" : "pixel_values";
}

std::string feature_name(Tower tower) {
  return tower == Tower::text ? "text_features" : "image_features";
}

Graph quantized(const ClipModel& model, Tower tower, DType precision, ApplyOptions options) {
  Graph graph = model.build(tower, {precision});
  apply_stored(graph, *model.checkpoint().quantization, options);
  return graph;
}

Tensor first_rows(const Tensor& tensor, int64_t rows) {
  Shape shape = tensor.shape();
  shape[0] = rows;
  Tensor part(tensor.dtype(), shape);
  std::memcpy(part.mutable_bytes().data(), tensor.bytes().data(), part.size_bytes());
  return part;
}

/// Runs a tower and compares each block's output with the reference's, which then takes its place.
std::vector<double> block_cosines(const Graph& graph, const Tensor& input,
                                  const std::vector<Tensor>& blocks, const std::string& prefix) {
  runtime::CompileOptions options;
  options.symbols["batch"] = {1, input.extent(0), input.extent(0)};
  const auto engine =
      runtime::Engine::load(runtime::compile(graph, test::reference(), options), test::reference());
  std::vector<double> cosines(blocks.size(), 0.0);
  runtime::Session session(engine);
  session.set_hook([&](const Node& node, auto, std::span<const runtime::Operand> outputs) {
    for (size_t block = 0; block < blocks.size(); ++block) {
      const std::string name = fmt::format("{}.encoder.layers.{}", prefix, block);
      if (engine->graph().value(node.outputs[0]).name != name) continue;
      cosines[block] = row_cosines(runtime::to_tensor(outputs[0]), blocks[block]).mean;
      std::memcpy(outputs[0].data, blocks[block].bytes().data(), blocks[block].size_bytes());
    }
  });
  session.run({&input, 1});
  return cosines;
}

TEST(ModelOptCheckpoint, BlocksOnTheReferencesInputs) {
  for (const Tower tower : {Tower::text, Tower::image}) {
    const std::string prefix = tower == Tower::text ? "text_model" : "vision_model";
    const auto& tensors = modelopt_reference().tensors;
    constexpr size_t kBlocks = 2;
    std::vector<Tensor> blocks;
    blocks.reserve(kBlocks);
    for (size_t block = 0; block < kBlocks; ++block) {
      blocks.push_back(tensors.at(fmt::format("fakequant_fp32.{}.layer{}", prefix, block)));
    }
    const Tensor input = first_rows(tensors.at(input_name(tower)), blocks[0].extent(0));
    const Graph graph = quantized(modelopt(), tower, DType::f32, {true});
    for (const double cosine : block_cosines(graph, input, blocks, prefix)) {
      EXPECT_GE(cosine, kBlock) << prefix;
    }
  }
}

TEST(ModelOptCheckpoint, EmbeddingsAsStored) {
  for (const Tower tower : {Tower::text, Tower::image}) {
    const auto& tensors = modelopt_reference().tensors;
    const Tensor features = test::run(quantized(modelopt(), tower, DType::f32, {true}),
                                      test::reference(), tensors.at(input_name(tower)));
    const auto cosines = row_cosines(features, tensors.at("fakequant_fp32." + feature_name(tower)));
    EXPECT_GE(cosines.mean, kEmbeddingMean) << feature_name(tower);
    EXPECT_GE(cosines.minimum, kEmbeddingMinimum) << feature_name(tower);
    RecordProperty(feature_name(tower), fmt::format("{} {}", cosines.mean, cosines.minimum));
  }
}

TEST(ModelOptCheckpoint, ScalesAreTheStoredAmax) {
  const Graph graph = quantized(modelopt(), Tower::image, DType::f32, {true});
  const auto scale_of = [&](const std::string& quantizer) {
    const Node& node = graph.node(graph.find_node(quantizer + "/quantize").value());
    return element_as_f32(*graph.value(node.inputs[1]).constant, 0);
  };
  const auto& stored = modelopt().checkpoint().quantization->quantizers;
  const std::string attention = "vision_model.encoder.layers.1.self_attn";
  const auto amax = [&](const std::string& name) {
    return element_as_f32(stored.at(name).amax, 0);
  };
  EXPECT_EQ(scale_of(attention + ".k_bmm_quantizer"),
            amax(attention + ".k_bmm_quantizer") / 448.0F);
  // q is quantized behind the factor 1/sqrt(32).
  EXPECT_EQ(scale_of(attention + ".q_bmm_quantizer"),
            amax(attention + ".q_bmm_quantizer") / 448.0F * (1.0F / std::sqrt(32.0F)));
  EXPECT_FALSE(graph.find_node("vision_model.embeddings.patch_embedding.weight_quantizer"));
}

TEST(ModelOptCheckpoint, SoftmaxQuantizersAreAddedAndTold) {
  Graph graph = modelopt().build(Tower::image, {});
  const auto& stored = *modelopt().checkpoint().quantization;
  const auto notices = apply_stored(graph, stored, {});
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_THAT(notices[0], testing::HasSubstr("2 attention blocks"));
  const Node& softmax = graph.node(
      graph.find_node("vision_model.encoder.layers.0.self_attn.softmax_quantizer/quantize")
          .value());
  EXPECT_EQ(element_as_f32(*graph.value(softmax.inputs[1]).constant, 0), softmax_scale());
  Graph as_stored = modelopt().build(Tower::image, {});
  EXPECT_TRUE(apply_stored(as_stored, stored, {true}).empty());
  EXPECT_EQ(count_nodes(graph, "QuantizeLinear"), count_nodes(as_stored, "QuantizeLinear") + 2);
}

TEST(ModelOptCheckpoint, AllAttentionsAreFp8OnTheCpu) {
  for (const Tower tower : {Tower::text, Tower::image}) {
    Graph graph = quantized(modelopt(), tower, DType::f16, {});
    test::cpu().lower(graph, {});
    EXPECT_EQ(count_nodes(graph, "Attention", kOctetDomain), 2);
    EXPECT_EQ(count_nodes(graph, "DequantizeLinear"), 0);
    EXPECT_EQ(count_nodes(graph, "QuantizeLinear"), 0);
    for (const NodeId id : graph.order()) {
      const Node& node = graph.node(id);
      if (!node.is("Attention", kOctetDomain)) continue;
      EXPECT_EQ(graph.value(node.inputs[0]).dtype, DType::f8e4m3);
      EXPECT_EQ(graph.value(node.outputs[0]).dtype, DType::f8e4m3);
    }
  }
}

TEST(UnifiedCheckpoint, EmbeddingsAgainstFp32) {
  // Its layout lost the scales of q and of the attention's output.
  const ClipModel model = test::open_model("tests/golden/interop/hf-fp8/clip-fp8");
  for (const Tower tower : {Tower::text, Tower::image}) {
    const auto& tensors = modelopt_reference().tensors;
    const Graph graph = quantized(model, tower, DType::f32, {});
    const Tensor features = test::run(graph, test::reference(), tensors.at(input_name(tower)));
    const auto cosines = row_cosines(features, tensors.at("fp32." + feature_name(tower)));
    EXPECT_GE(cosines.mean, kLossyMean) << feature_name(tower);
    RecordProperty(feature_name(tower), fmt::format("{}", cosines.mean));
    EXPECT_FALSE(
        graph.find_node("text_model.encoder.layers.0.self_attn.softmax_quantizer/quantize"));
  }
}

TEST(CompressedTensorsCheckpoint, EmbeddingsAgainstItsOwn) {
  for (const char* kind : {"static", "dynamic"}) {
    const std::string folder = fmt::format("hf-fp8/clip-compressed-tensors-{}", kind);
    const ClipModel model = test::open_model("tests/golden/interop/" + folder);
    const auto reference =
        checkpoint::read_safetensors(kInterop / folder / "reference.safetensors");
    for (const Tower tower : {Tower::text, Tower::image}) {
      const Tensor features = test::run(quantized(model, tower, DType::f32, {}), test::reference(),
                                        convert(reference.tensors.at(input_name(tower)),
                                                tower == Tower::text ? DType::i64 : DType::f32));
      const auto cosines =
          row_cosines(features, convert(reference.tensors.at(feature_name(tower)), DType::f32));
      EXPECT_GE(cosines.mean, kBfloat16Mean) << folder << " " << feature_name(tower);
      RecordProperty(std::string(kind) + feature_name(tower), fmt::format("{}", cosines.mean));
    }
  }
}

}  // namespace
}  // namespace octet::quant
