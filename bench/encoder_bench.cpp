// One block of a CLIP vision encoder (ViT-L/14: 257 tokens, width 1024, 16 heads, 4096 hidden) with
// random weights, compiled and run as any model is: milliseconds per image of all 24 blocks.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>
#include <random>

#include "bench/benches.h"
#include "cpu/backend.h"
#include "runtime/engine.h"
#include "tensor/codecs.h"

namespace octet::bench {
namespace {

constexpr int64_t kTokens = 257;
constexpr int64_t kWidth = 1024;
constexpr int64_t kHidden = 4096;
constexpr int64_t kHeads = 16;
constexpr int kBlocks = 24;

/// Types of one precision of the block.
struct Precision {
  const char* name;
  DType values;   ///< residual stream, biases
  DType weights;  ///< E4M3: activations between the products too
};

constexpr Precision kPrecisions[] = {{"f32", DType::f32, DType::f32},
                                     {"f16", DType::f16, DType::f16},
                                     {"fp8", DType::f16, DType::f8e4m3}};

Tensor random_values(DType dtype, Shape shape, float spread) {
  static std::mt19937 generator(1);
  std::normal_distribution<float> normal(0.0F, spread);
  Tensor values(DType::f32, std::move(shape));
  for (float& value : values.mutable_values<float>()) value = normal(generator);
  return convert(values, dtype);
}

/// Appends the operators of one block.
class Block {
 public:
  Block(Graph& graph, const Precision& precision) : graph_(graph), precision_(precision) {
    narrow_ = precision.weights == DType::f8e4m3 ? DType::f8e4m3 : precision.values;
  }

  ValueId append(ValueId x) {
    const ValueId normed = layer_norm(x);
    const ValueId q = linear(normed, kWidth, kWidth, narrow_, "none");
    const ValueId k = linear(normed, kWidth, kWidth, narrow_, "none");
    const ValueId v = linear(normed, kWidth, kWidth, narrow_, "none");
    const ValueId mixed = attention(q, k, v);
    const ValueId middle = linear(mixed, kWidth, kWidth, precision_.values, "none", x);
    const ValueId hidden = linear(layer_norm(middle), kWidth, kHidden, narrow_, "quick_gelu");
    return linear(hidden, kHidden, kWidth, precision_.values, "none", middle);
  }

 private:
  ValueId add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes, DType out) {
    const std::string name = fmt::format("{}{}", op, count_++);
    const ValueId y = graph_.add_value(name, out);
    attributes["out_dtype"] = std::string(name_of(out));
    if (out == DType::f8e4m3) attributes["y_scale"] = 1.0F / 64.0F;
    graph_.add_node({name,
                     std::string(kOctetDomain),
                     std::string(op),
                     std::move(inputs),
                     {y},
                     std::move(attributes)});
    return y;
  }

  ValueId constant(DType dtype, Shape shape, float spread) {
    return graph_.add_constant(fmt::format("constant{}", count_++),
                               random_values(dtype, std::move(shape), spread));
  }

  ValueId layer_norm(ValueId x) {
    return add("LayerNorm",
               {x, constant(precision_.values, {kWidth}, 1.0F),
                constant(precision_.values, {kWidth}, 0.1F)},
               {{"epsilon", 1e-5F}}, narrow_);
  }

  ValueId linear(ValueId x, int64_t depth, int64_t width, DType out, const char* activation,
                 ValueId residual = kNoValue) {
    const float spread = 1.0F / std::sqrt(static_cast<float>(depth));
    const bool codes = precision_.weights == DType::f8e4m3;
    Attributes attributes{{"activation", std::string(activation)}};
    ValueId scale = kNoValue;
    if (codes) {
      attributes["x_scale"] = 1.0F / 64.0F;
      scale = graph_.add_constant(fmt::format("constant{}", count_++), Tensor::scalar(spread));
    }
    std::vector<ValueId> inputs = {
        x, constant(precision_.weights, {depth, width}, codes ? 1.0F : spread), scale,
        constant(precision_.values, {width}, 0.1F)};
    if (residual != kNoValue) inputs.push_back(residual);
    return add("Linear", std::move(inputs), std::move(attributes), out);
  }

  ValueId attention(ValueId q, ValueId k, ValueId v) {
    Attributes attributes{{"heads", kHeads}, {"causal", int64_t{0}}, {"scale", 0.125F}};
    if (narrow_ == DType::f8e4m3) {
      for (const char* key : {"q_scale", "k_scale", "v_scale"}) attributes[key] = 1.0F / 64.0F;
      attributes["softmax_scale"] = 1.0F / 448.0F;
    }
    return add("Attention", {q, k, v}, std::move(attributes), narrow_);
  }

  Graph& graph_;
  const Precision& precision_;
  DType narrow_;
  int count_ = 0;
};

void run_block(benchmark::State& state, const Precision& precision, int64_t batch) {
  Graph graph("block");
  const ValueId x = graph.add_input("x", precision.values, {batch, kTokens, kWidth});
  graph.set_outputs({Block(graph, precision).append(x)});
  const cpu::CpuBackend backend;
  runtime::Session session(
      runtime::Engine::load(runtime::compile(std::move(graph), backend, {}), backend));
  const Tensor input = random_values(precision.values, {batch, kTokens, kWidth}, 1.0F);
  for (auto _ : state) session.run({&input, 1});
  const double images = static_cast<double>(state.iterations() * batch) / kBlocks;
  state.counters["s_per_image"] =
      benchmark::Counter(images, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace

void register_encoder_blocks() {
  for (const Precision& precision : kPrecisions) {
    for (const int64_t batch : {1, 8}) {
      const std::string label =
          fmt::format("block/{}/batch{}/{}", precision.name, batch, cpu::CpuBackend().target());
      benchmark::RegisterBenchmark(label.c_str(), run_block, precision, batch)
          ->UseRealTime()
          ->MeasureProcessCPUTime()
          ->MinTime(1.0)
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace octet::bench
