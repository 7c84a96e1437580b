#include <gtest/gtest.h>

#include "passes/passes.h"
#include "tests/passes/sample_towers.h"

namespace octet::passes {
namespace {

std::string dims_of(const Graph& graph, const std::string& node) {
  return to_string(graph.value(graph.node(*graph.find_node(node)).outputs[0]).dims);
}

TEST(HoistPooling, ChangesNoResult) {
  expect_no_effect("hoist_pooling", Tower::image);
  expect_no_effect("hoist_pooling", Tower::text);
}

TEST(HoistPooling, TheLastLayerHasOneRowASample) {
  Graph graph = quantized_tower(Tower::image);
  fuse(graph, {});
  const std::string last = "vision_model.encoder.layers.5.";
  for (const char* node : {"self_attn", "self_attn.q_proj", "self_attn.out_proj", "layer_norm2",
                           "mlp.fc1", "mlp.fc2"}) {
    EXPECT_EQ(dims_of(graph, last + node).find("[batch, 65"), std::string::npos) << node;
  }
  for (const char* node : {"self_attn.k_proj", "self_attn.v_proj", "layer_norm1"}) {
    EXPECT_EQ(dims_of(graph, last + node).find("[batch, 65"), 0U) << node;
  }
  EXPECT_EQ(dims_of(graph, "vision_model.encoder.layers.4.mlp.fc2").find("[batch, 65"), 0U);
  EXPECT_EQ(graph.node(*graph.find_node(last + "self_attn")).integer("pooled_query", 0), 1);
}

TEST(HoistPooling, APackedTextPoolsItsCausalQueries) {
  Graph graph = quantized_tower(Tower::text);
  fuse(graph, {});
  const Node& attention = graph.node(*graph.find_node("text_model.encoder.layers.3.self_attn"));
  EXPECT_EQ(attention.integer("pooled_query", 0), 1);
  EXPECT_EQ(attention.integer("causal", 1), 0) << "the last row sees every row";
}

TEST(HoistPooling, APaddedTextKeepsItsCausalQueries) {
  Graph graph = quantized_tower(Tower::text);
  fuse(graph, {"skip_padding"});
  const Node& attention = graph.node(*graph.find_node("text_model.encoder.layers.3.self_attn"));
  EXPECT_EQ(attention.integer("pooled_query", 0), 0);
  EXPECT_EQ(dims_of(graph, "text_model.encoder.layers.3.mlp.fc1").find("[batch, 77"),
            std::string::npos);
}

TEST(HoistPooling, StopsAtWhatTheCallerSees) {
  Graph graph = sample_model().build(Tower::image, {DType::f32});
  const std::string block = "vision_model.encoder.layers.5";
  graph.set_outputs({graph.outputs().front(), *graph.find_value(block)});
  fuse(graph, {});
  EXPECT_EQ(to_string(graph.value(graph.outputs()[1]).dims).find("[batch, 65"), 0U);
}

}  // namespace
}  // namespace octet::passes
