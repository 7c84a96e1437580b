#include "tests/passes/sample_towers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "checkpoint/checkpoint.h"
#include "cpu/backend.h"
#include "passes/passes.h"
#include "quant/apply_stored.h"
#include "runtime/engine.h"
#include "tensor/codecs.h"

namespace octet::passes {
namespace {

constexpr int64_t kBatch = 2;

/// Two short texts with padding behind them, or two images of noise.
Tensor tower_input(const Graph& graph) {
  const Value& input = graph.value(graph.inputs().front());
  Dims dims = input.dims;
  dims.front() = kBatch;
  const Shape shape = *to_shape(dims);
  if (input.dtype == DType::i64) {
    Tensor ids(DType::i64, shape);
    const auto values = ids.mutable_values<int64_t>();
    std::ranges::fill(values, 643);
    std::ranges::copy(std::vector<int64_t>{642, 20, 30, 40, 643}, values.begin());
    std::ranges::copy(std::vector<int64_t>{642, 50, 643}, values.begin() + shape[1]);
    return ids;
  }
  Tensor pixels(DType::f32, shape);
  std::mt19937 random(7);
  std::normal_distribution<float> noise;
  std::ranges::generate(pixels.mutable_values<float>(), [&] { return noise(random); });
  return convert(pixels, input.dtype);
}

Tensor features(Graph graph, const runtime::Backend& backend) {
  const Tensor input = tower_input(graph);
  runtime::CompileOptions options;
  options.symbols["batch"] = {1, kBatch, kBatch};
  const auto engine =
      runtime::Engine::load(runtime::compile(std::move(graph), backend, options), backend);
  return runtime::Session(engine).run_copied({&input, 1}).front();
}

/// Fuses nothing: the graph runs as it is given.
class PreparedGraphs : public cpu::CpuBackend {
 public:
  void lower(Graph& /*graph*/, std::span<const std::string> /*disabled*/) const override {}
};

}  // namespace

const models::ClipModel& sample_model() {
  static const models::ClipModel model(
      checkpoint::open_checkpoint(std::string(OCTET_SOURCE_DIR) + "/examples/tinyclip"));
  return model;
}

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

int64_t count(const Graph& graph, std::string_view op, std::string_view domain) {
  return std::ranges::count_if(graph.order(),
                               [&](NodeId id) { return graph.node(id).is(op, domain); });
}

void fuse(Graph& graph, const std::vector<std::string>& disabled) {
  run_passes(graph, canonical_passes(), disabled);
  run_passes(graph, fusion_passes(), disabled);
}

void expect_no_effect(const std::string& pass, Tower tower) {
  for (const bool quantized : {false, true}) {
    const Graph plain =
        quantized ? quantized_tower(tower) : sample_model().build(tower, {DType::f32});
    Graph with = plain;
    Graph without = plain;
    fuse(with, {});
    fuse(without, {pass});
    EXPECT_NE(first_difference(with, without), "") << pass << " changed nothing";
    const PreparedGraphs fast;
    const cpu::ReferenceBackend reference;
    for (const runtime::Backend* backend : {static_cast<const runtime::Backend*>(&fast),
                                            static_cast<const runtime::Backend*>(&reference)}) {
      EXPECT_TRUE(features(with, *backend) == features(without, *backend))
          << pass << " on " << backend->name() << (quantized ? ", quantized" : "");
    }
  }
}

}  // namespace octet::passes
