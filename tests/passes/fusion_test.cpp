#include <gtest/gtest.h>

#include <algorithm>

#include "checkpoint/checkpoint.h"
#include "cpu/backend.h"
#include "models/clip.h"
#include "passes/passes.h"
#include "passes/precision.h"
#include "quant/apply_stored.h"
#include "runtime/engine.h"
#include "tensor/codecs.h"
#include "tensor/metrics.h"

namespace octet::passes {
namespace {

using models::Tower;

const models::ClipModel& sample_model() {
  static const models::ClipModel model(
      checkpoint::open_checkpoint(std::string(OCTET_SOURCE_DIR) + "/examples/tinyclip"));
  return model;
}

/// Quantizers with plausible scales for every point of the sample model.
Graph quantized_tower(Tower tower) {
  Graph graph = sample_model().build(tower, {DType::f16});
  checkpoint::StoredQuantization stored;
  stored.layout = checkpoint::QuantizationLayout::unified;
  const auto add = [&](const std::string& name, float scale) {
    stored.quantizers[name].scale = Tensor::scalar(scale);
  };
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!node.is("MatMul") || !graph.is_constant(node.inputs[1])) continue;
    add(node.name + ".input_quantizer", 0.0625F);
    add(node.name + ".weight_quantizer", 0.001953125F);
  }
  for (const AttentionMatch& match : find_attention(graph)) {
    for (const char* part : {"q_bmm", "k_bmm", "v_bmm"}) {
      add(match.name + "." + part + "_quantizer", 0.03125F);
    }
    add(match.name + ".softmax_quantizer", quant::softmax_scale());
  }
  quant::apply_stored(graph, stored, {});
  return graph;
}

int64_t count(const Graph& graph, std::string_view op, std::string_view domain = "") {
  return std::ranges::count_if(graph.order(),
                               [&](NodeId id) { return graph.node(id).is(op, domain); });
}

void fuse(Graph& graph) {
  run_passes(graph, canonical_passes(), {});
  run_passes(graph, fusion_passes(), {});
}

TEST(FindAttention, SeesEveryBlockWithAndWithoutQuantizers) {
  const Graph text = sample_model().build(Tower::text, {DType::f16});
  const auto plain = find_attention(text);
  ASSERT_EQ(plain.size(), 4U);
  EXPECT_EQ(plain[0].name, "text_model.encoder.layers.0.self_attn");
  EXPECT_TRUE(plain[0].causal);
  const auto quantized = find_attention(quantized_tower(Tower::image));
  ASSERT_EQ(quantized.size(), 6U);
  EXPECT_FALSE(quantized[0].causal);
}

TEST(Precision, SaysWhatIsMissing) {
  const Graph plain = sample_model().build(Tower::image, {DType::f16});
  EXPECT_EQ(attention_precisions(plain)[0].reason,
            "q and k and v and the softmax output are not quantized");
  const Graph quantized = quantized_tower(Tower::image);
  for (const PartPrecision& part : product_precisions(quantized))
    EXPECT_TRUE(part.fp8) << part.name;
  for (const PartPrecision& part : attention_precisions(quantized)) {
    EXPECT_TRUE(part.fp8) << part.name;
  }
}

TEST(Fusion, ImageTowerBecomesSevenOperatorsALayer) {
  Graph graph = quantized_tower(Tower::image);
  fuse(graph);
  EXPECT_EQ(count(graph, "Attention", kOctetDomain), 6);
  EXPECT_EQ(count(graph, "Linear", kOctetDomain), 6 * 6 + 1);
  EXPECT_EQ(count(graph, "PatchEmbedding", kOctetDomain), 1);
  EXPECT_EQ(count(graph, "MatMul"), 0);
  EXPECT_EQ(count(graph, "Softmax"), 0);
  EXPECT_EQ(count(graph, "DequantizeLinear"), 0);
}

TEST(Fusion, QuantizersMoveInside) {
  Graph graph = quantized_tower(Tower::image);
  fuse(graph);
  const Node& q = graph.node(*graph.find_node("vision_model.encoder.layers.0.self_attn.q_proj"));
  EXPECT_EQ(q.text("out_dtype", ""), "f8e4m3");
  EXPECT_EQ(q.number("x_scale", 0), 0.0625F);
  EXPECT_EQ(q.number("y_scale", 0), 0.03125F);
  EXPECT_EQ(q.number("alpha", 0), 0.125F);
  EXPECT_EQ(q.text("steps", ""), "f16");
  const Node& fc1 = graph.node(*graph.find_node("vision_model.encoder.layers.0.mlp.fc1"));
  EXPECT_EQ(fc1.text("activation", ""), "quick_gelu");
  const Node& fc2 = graph.node(*graph.find_node("vision_model.encoder.layers.0.mlp.fc2"));
  EXPECT_EQ(fc2.inputs.size(), 5U);
  EXPECT_NE(fc2.inputs[4], kNoValue) << "the residual is part of the product";
}

TEST(Fusion, BlockOutputsKeepTheirNames) {
  Graph graph = quantized_tower(Tower::text);
  fuse(graph);
  EXPECT_EQ(models::block_outputs(graph).size(), 4U);
}

TEST(Fusion, EveryPassIsIdempotent) {
  for (const Tower tower : {Tower::text, Tower::image}) {
    Graph graph = quantized_tower(tower);
    fuse(graph);
    EXPECT_TRUE(run_passes(graph, canonical_passes(), {}).empty());
    EXPECT_TRUE(run_passes(graph, fusion_passes(), {}).empty());
  }
}

TEST(Passes, AnUnknownNameIsAnError) {
  Graph graph = sample_model().build(Tower::text, {DType::f16});
  const std::vector<std::string> unknown{"fuse_everything"};
  EXPECT_THROW(run_passes(graph, canonical_passes(), unknown), Error);
}

/// Features of two short texts (the same ids, padded), FP32.
std::vector<Tensor> text_features(const std::vector<std::string>& disabled) {
  const cpu::CpuBackend backend;
  runtime::CompileOptions options;
  options.symbols["batch"] = {1, 2, 2};
  options.disabled_passes = disabled;
  const auto engine = runtime::Engine::load(
      runtime::compile(sample_model().build(Tower::text, {DType::f32}), backend, options), backend);
  Tensor ids(DType::i64, {2, 77});
  std::ranges::fill(ids.mutable_values<int64_t>(), 643);
  const std::vector<int64_t> first{642, 20, 30, 40, 643};
  const std::vector<int64_t> second{642, 50, 643};
  std::ranges::copy(first, ids.mutable_values<int64_t>().begin());
  std::ranges::copy(second, ids.mutable_values<int64_t>().begin() + 77);
  return runtime::Session(engine).run_copied({&ids, 1});
}

TEST(SkipPadding, ChangesNoResult) {
  // Rows are computed one by one in the same order, so packing them changes nothing but which
  // blocks of rows a kernel sees.
  constexpr double kMaxRelative = 1e-6;
  const Tensor packed = text_features({})[0];
  const Tensor padded = text_features({"skip_padding"})[0];
  const Drift drift = compare(packed.values<float>(), padded.values<float>());
  EXPECT_LE(drift.max_relative, kMaxRelative);
}

TEST(SkipPadding, RunsOnRowsUpToTheEndToken) {
  Graph graph = sample_model().build(Tower::text, {DType::f16});
  fuse(graph);
  EXPECT_EQ(count(graph, "RowRanges", kOctetDomain), 1);
  EXPECT_EQ(count(graph, "PoolLast", kOctetDomain), 1);
  const Value& block = graph.value(*graph.find_value("text_model.encoder.layers.0"));
  EXPECT_EQ(to_string(block.dims), "[tokens, 192]");
}

}  // namespace
}  // namespace octet::passes
