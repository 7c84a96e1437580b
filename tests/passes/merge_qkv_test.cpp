#include <gtest/gtest.h>

#include "passes/passes.h"
#include "tests/passes/sample_towers.h"

namespace octet::passes {
namespace {

const std::string kLayer = "vision_model.encoder.layers.0.self_attn";

TEST(MergeQkv, ChangesNoResult) {
  expect_no_effect("merge_qkv", Tower::image);
  expect_no_effect("merge_qkv", Tower::text);
}

TEST(MergeQkv, OneProductWithThreeSections) {
  Graph graph = quantized_tower(Tower::image);
  fuse(graph, {});
  const Node& product = graph.node(*graph.find_node(kLayer + ".qkv_proj"));
  const int64_t width = graph.value(product.inputs[1]).dims[0].size();
  EXPECT_EQ(to_string(graph.value(product.outputs[0]).dims),
            fmt::format("[batch, 65, {}]", 3 * width));
  EXPECT_EQ(product.integers("sections"), (std::vector<int64_t>{width, width, width}));
  EXPECT_EQ(product.numbers("alpha"), (std::vector<float>{0.125F, 1, 1}));
  EXPECT_EQ(product.number("y_scale", 0), 0.03125F) << "the same for all";
  EXPECT_TRUE(graph.value(product.inputs[2]).dims.empty()) << "one weight scale for all";
  const Node& attention = graph.node(*graph.find_node(kLayer));
  EXPECT_EQ(attention.integer("packed_qkv", 0), 1);
  EXPECT_EQ(attention.inputs[0], product.outputs[0]);
  EXPECT_EQ(attention.inputs[1], kNoValue);
  EXPECT_EQ(attention.number("k_scale", 0), 0.03125F);
}

/// A graph in which `spoil` made q, k and v unfit to be merged in the first layer.
void expect_left_alone(void (*spoil)(Graph&)) {
  Graph graph = quantized_tower(Tower::image);
  fuse(graph, {"merge_qkv"});
  spoil(graph);
  merge_qkv(graph);
  EXPECT_FALSE(graph.find_node(kLayer + ".qkv_proj"));
  EXPECT_TRUE(graph.find_node("vision_model.encoder.layers.1.self_attn.qkv_proj"));
}

TEST(MergeQkv, LeavesAloneWhatIsReadElsewhere) {
  expect_left_alone([](Graph& graph) {
    std::vector<ValueId> outputs = graph.outputs();
    outputs.push_back(graph.node(*graph.find_node(kLayer + ".k_proj")).outputs[0]);
    graph.set_outputs(outputs);
  });
}

}  // namespace
}  // namespace octet::passes
