#include <gtest/gtest.h>

#include "base/error.h"
#include "passes/passes.h"
#include "passes/precision.h"
#include "tests/passes/sample_towers.h"

namespace octet::passes {
namespace {

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
  fuse(graph, {"hoist_pooling"});
  EXPECT_EQ(count(graph, "Attention", kOctetDomain), 6);
  EXPECT_EQ(count(graph, "Linear", kOctetDomain), 6 * 4 + 1);
  EXPECT_EQ(count(graph, "PatchEmbedding", kOctetDomain), 1);
  EXPECT_EQ(count(graph, "MatMul"), 0);
  EXPECT_EQ(count(graph, "Softmax"), 0);
  EXPECT_EQ(count(graph, "DequantizeLinear"), 0);
}

TEST(Fusion, QuantizersMoveInside) {
  Graph graph = quantized_tower(Tower::image);
  fuse(graph, {"merge_qkv"});
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
  fuse(graph, {"hoist_pooling"});
  EXPECT_EQ(models::block_outputs(graph).size(), 4U);
}

TEST(Fusion, EveryPassIsIdempotent) {
  for (const Tower tower : {Tower::text, Tower::image}) {
    Graph graph = quantized_tower(tower);
    fuse(graph, {});
    EXPECT_TRUE(run_passes(graph, canonical_passes(), {}).empty());
    EXPECT_EQ(run_passes(graph, fusion_passes(), {}), std::vector<std::string>{});
  }
}

TEST(Passes, AnUnknownNameIsAnError) {
  Graph graph = sample_model().build(Tower::text, {DType::f16});
  const std::vector<std::string> unknown{"fuse_everything"};
  EXPECT_THROW(run_passes(graph, canonical_passes(), unknown), Error);
}

TEST(SkipPadding, ChangesNoResult) {
  expect_no_effect("skip_padding", Tower::text);
}

TEST(SkipPadding, RunsOnRowsUpToTheEndToken) {
  Graph graph = sample_model().build(Tower::text, {DType::f16});
  fuse(graph, {"hoist_pooling"});
  EXPECT_EQ(count(graph, "RowRanges", kOctetDomain), 1);
  EXPECT_EQ(count(graph, "PoolLast", kOctetDomain), 1);
  const Value& block = graph.value(*graph.find_value("text_model.encoder.layers.0"));
  EXPECT_EQ(to_string(block.dims), "[tokens, 192]");
}

}  // namespace
}  // namespace octet::passes
