#include "quant/insert.h"

#include <gtest/gtest.h>

#include "passes/match.h"
#include "quant/apply_stored.h"
#include "quant/calibrator.h"
#include "quant/weights.h"
#include "tensor/codecs.h"
#include "tests/expect_error.h"
#include "tests/quant/model_runs.h"

namespace octet::quant {
namespace {

using models::Tower;
using octet::test::expect_error;
using test::count_nodes;
using test::mini_clip;

constexpr const char* kAttention = "vision_model.encoder.layers.0.self_attn";

checkpoint::StoredQuantizer with_scale(float scale) {
  checkpoint::StoredQuantizer quantizer;
  quantizer.scale = Tensor::scalar(scale);
  return quantizer;
}

/// Every quantizer of a tower, each kind with a scale of its own.
checkpoint::StoredQuantizers all_quantizers(const Graph& graph) {
  checkpoint::StoredQuantizers quantizers;
  for (const Point& point : find_points(graph)) {
    quantizers[point.name] = with_scale(stored_scale(1.0F + static_cast<float>(point.kind)));
  }
  return quantizers;
}

const Node& node_of(const Graph& graph, const std::string& name) {
  return graph.node(graph.find_node(name).value());
}

TEST(InsertObservers, OneForEachValueInFrontOfItsReaders) {
  Graph graph = mini_clip().build(Tower::image, {DType::f32});
  std::vector<Point> points = find_points(graph);
  std::erase_if(points, [](const Point& point) { return !needs_data(point.kind); });
  const auto groups = insert_observers(graph, points);
  // Each block: q/k/v together, q, k, v, out_proj, fc1, fc2; patch convolution and projection.
  EXPECT_EQ(groups.size(), 2U * 7 + 2);
  EXPECT_EQ(count_nodes(graph, "Observe", kOctetDomain), 2 * 7 + 2);
  const std::string q_proj = std::string(kAttention) + ".q_proj";
  const Node* observe =
      passes::made_by(graph, node_of(graph, q_proj).inputs[0], "Observe", kOctetDomain);
  ASSERT_NE(observe, nullptr);
  EXPECT_EQ(observe->text("quantizer", ""), q_proj + ".input_quantizer");
  const auto* shared =
      passes::made_by(graph, node_of(graph, std::string(kAttention) + ".v_proj").inputs[0],
                      "Observe", kOctetDomain);
  EXPECT_EQ(shared, observe);
  EXPECT_EQ(find_points(graph).size(), 2U * 16 + 4);
}

TEST(InsertQuantizers, PairsNamesAndTypes) {
  for (const DType precision : {DType::f16, DType::f32}) {
    Graph graph = mini_clip().build(Tower::image, {precision});
    insert_quantizers(graph, all_quantizers(graph));
    graph.verify();
    const std::string quantizer = std::string(kAttention) + ".out_proj.input_quantizer";
    const Node& quantize = node_of(graph, quantizer + "/quantize");
    EXPECT_EQ(quantize.op, "QuantizeLinear");
    EXPECT_EQ(quantize.integer("saturate", 0), 1);
    const Value& codes = graph.value(quantize.outputs[0]);
    EXPECT_EQ(codes.name, quantizer);
    EXPECT_EQ(codes.dtype, DType::f8e4m3);
    const Value& scale = graph.value(quantize.inputs[1]);
    EXPECT_EQ(scale.dtype, precision);
    EXPECT_TRUE(scale.dims.empty());
    EXPECT_EQ(element_as_f32(*scale.constant, 0), stored_scale(1.0F));
    const Value& zero = graph.value(quantize.inputs[2]);
    EXPECT_EQ(zero.dtype, DType::f8e4m3);
    EXPECT_EQ(*zero.constant, Tensor(DType::f8e4m3, {}));
    const Node& dequantize = node_of(graph, quantizer + "/dequantize");
    EXPECT_EQ(dequantize.inputs, (std::vector<ValueId>{quantize.outputs[0], quantize.inputs[1]}));
    EXPECT_EQ(graph.value(dequantize.outputs[0]).dtype, precision);
  }
}

TEST(InsertQuantizers, EqualScalesOfOneValueShareOnePair) {
  Graph graph = mini_clip().build(Tower::image, {});
  auto quantizers = all_quantizers(graph);
  insert_quantizers(graph, quantizers);
  // Each block: q/k/v together, q, k, softmax, v, out_proj, fc1, fc2; patches and projection.
  EXPECT_EQ(count_nodes(graph, "QuantizeLinear"), 2 * 8 + 2);
  // Weights: six each block, patches, projection.
  EXPECT_EQ(count_nodes(graph, "DequantizeLinear"), 2 * 8 + 2 + 2 * 6 + 2);

  Graph other = mini_clip().build(Tower::image, {});
  quantizers[std::string(kAttention) + ".k_proj.input_quantizer"] = with_scale(stored_scale(9.0F));
  insert_quantizers(other, quantizers);
  EXPECT_EQ(count_nodes(other, "QuantizeLinear"), 2 * 8 + 2 + 1);
}

TEST(InsertQuantizers, DisabledAndUnknownOnesAreLeftOut) {
  Graph graph = mini_clip().build(Tower::image, {});
  checkpoint::StoredQuantizers quantizers;
  quantizers["visual_projection.input_quantizer"] = with_scale(1.0F);
  quantizers["visual_projection.input_quantizer"].enabled = false;
  quantizers["text_projection.input_quantizer"] = with_scale(1.0F);
  insert_quantizers(graph, quantizers);
  EXPECT_EQ(first_difference(graph, mini_clip().build(Tower::image, {})), "");
}

TEST(InsertQuantizers, WeightsBecomeCodesBehindADequantize) {
  for (const bool per_channel : {false, true}) {
    Graph graph = mini_clip().build(Tower::image, {});
    const std::string module = std::string(kAttention) + ".q_proj";
    const Tensor& weight = mini_clip().tensor(module + ".weight");  // [out, in]
    const Format format{per_channel ? Granularity::per_channel : Granularity::per_tensor, {}};
    std::vector<float> scales;
    for (const float amax : solve_weight_amax(weight, format, module)) {
      scales.push_back(stored_scale(amax));
    }
    checkpoint::StoredQuantizers quantizers;
    quantizers[module + ".weight_quantizer"].scale =
        per_channel ? Tensor::from<float>({64}, scales) : Tensor::scalar(scales.front());
    insert_quantizers(graph, quantizers);
    const Node& dequantize = node_of(graph, module + ".weight_quantizer");
    EXPECT_EQ(dequantize.integer("axis", -1), per_channel ? 1 : -1);
    const Tensor& codes = *graph.value(dequantize.inputs[0]).constant;  // [in, out]
    for (int64_t out = 0; out < 64; ++out) {
      const float scale = scales[per_channel ? static_cast<size_t>(out) : 0];
      for (int64_t in = 0; in < 64; ++in) {
        ASSERT_EQ(codes.values<uint8_t>()[static_cast<size_t>(in * 64 + out)],
                  quantize_e4m3(element_as_f32(weight, out * 64 + in), scale));
      }
    }
  }
}

TEST(InsertQuantizers, TheConvolutionHasItsChannelsFirst) {
  Graph graph = mini_clip().build(Tower::image, {});
  const std::string module = "vision_model.embeddings.patch_embedding";
  std::vector<float> scales(64);
  for (size_t i = 0; i < scales.size(); ++i) scales[i] = stored_scale(1.0F + static_cast<float>(i));
  checkpoint::StoredQuantizers quantizers;
  quantizers[module + ".weight_quantizer"].scale = Tensor::from<float>({64}, scales);
  insert_quantizers(graph, quantizers);
  EXPECT_EQ(node_of(graph, module + ".weight_quantizer").integer("axis", -1), 0);
}

TEST(InsertQuantizers, DynamicInputsArePerRow) {
  Graph graph = mini_clip().build(Tower::image, {});
  checkpoint::StoredQuantizers quantizers;
  for (const char* module : {".q_proj", ".k_proj", ".v_proj", ".out_proj"}) {
    quantizers[std::string(kAttention) + module + ".input_quantizer"].dynamic_per_token = true;
  }
  insert_quantizers(graph, quantizers);
  EXPECT_EQ(count_nodes(graph, "FakeQuantizeRows", kOctetDomain), 2);
  EXPECT_EQ(count_nodes(graph, "QuantizeLinear"), 0);
}

TEST(InsertQuantizers, ScalesOutsideFp16) {
  const std::string name = "visual_projection.input_quantizer";
  Graph graph = mini_clip().build(Tower::image, {});
  checkpoint::StoredQuantizers quantizers;
  quantizers[name] = with_scale(1e-9F);  // would round to zero
  insert_quantizers(graph, quantizers);
  const Node& quantize = node_of(graph, name + "/quantize");
  EXPECT_EQ(element_as_f32(*graph.value(quantize.inputs[1]).constant, 0), 0x1p-24F);
  Graph other = mini_clip().build(Tower::image, {});
  quantizers[name] = with_scale(1e6F);
  expect_error(ErrorCode::bad_input, {name, "1000000"},
               [&] { insert_quantizers(other, quantizers); });
}

TEST(InsertQuantizers, PointsAreFoundAgain) {
  const Graph plain = mini_clip().build(Tower::text, {});
  Graph graph = plain;
  insert_quantizers(graph, all_quantizers(graph));
  const auto before = find_points(plain);
  const auto after = find_points(graph);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].name, after[i].name);
    if (before[i].kind == PointKind::weight) continue;
    EXPECT_EQ(plain.value(before[i].value).name, graph.value(after[i].value).name);
  }
}

}  // namespace
}  // namespace octet::quant
