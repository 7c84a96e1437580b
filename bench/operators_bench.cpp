// Operators of a CLIP tower beside the matrix products, one node each, compiled and run as any
// model is: bytes/s (operands touched once), FLOP/s and the share of the peak of registers alone.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <functional>

#include "bench/benches.h"
#include "bench/peak.h"
#include "cpu/backend.h"
#include "cpu/matrix.h"
#include "ops/ops.h"
#include "runtime/engine.h"
#include "tensor/codecs.h"

namespace octet::bench {
namespace {

constexpr int64_t kRows = 257;
constexpr int64_t kWidth = 1024;

/// A graph of one node.
struct Operator {
  const char* name;
  std::function<void(Graph&)> build;
};

Tensor constant_row(DType dtype, float value) {
  Tensor row(DType::f32, {kWidth});
  for (float& element : row.mutable_values<float>()) element = value;
  return convert(row, dtype);
}

void add_node(Graph& graph, const char* op, std::vector<ValueId> inputs, Attributes attributes,
              std::string_view domain = kOctetDomain) {
  const ValueId y = graph.add_value("y");
  graph.add_node({"node", std::string(domain), op, std::move(inputs), {y}, std::move(attributes)});
  graph.set_outputs({y});
}

ValueId add_rows(Graph& graph, DType dtype, int64_t width = kWidth) {
  return graph.add_input("x", dtype, {1, kRows, width});
}

Attributes codes_out() {
  return {{"out_dtype", std::string("f8e4m3")}, {"y_scale", 0.015625F}};
}

void layer_norm(Graph& graph) {
  Attributes attributes = codes_out();
  attributes["steps"] = std::string("f16");
  const ValueId x = add_rows(graph, DType::f16);
  add_node(graph, "LayerNorm",
           {x, graph.add_constant("gamma", constant_row(DType::f16, 1.0F)),
            graph.add_constant("beta", constant_row(DType::f16, 0.5F))},
           attributes);
}

void attention(Graph& graph, DType dtype) {
  Attributes attributes{{"heads", int64_t{16}}, {"packed_qkv", int64_t{1}}, {"scale", 0.01F}};
  if (dtype == DType::f8e4m3) {
    attributes.merge(codes_out());
    attributes["softmax_scale"] = 1.0F / 448.0F;
    attributes["steps"] = std::string("f16");
  }
  add_node(graph, "Attention", {add_rows(graph, dtype, 3 * kWidth), kNoValue, kNoValue},
           attributes);
}

void quantize(Graph& graph) {
  const ValueId x = add_rows(graph, DType::f16);
  const ValueId scale = graph.add_constant("scale", convert(Tensor::scalar(0.01F), DType::f16));
  const ValueId zero = graph.add_constant("zero", Tensor(DType::f8e4m3, {}));
  add_node(graph, "QuantizeLinear", {x, scale, zero}, {}, "");
}

void add(Graph& graph) {
  const ValueId x = add_rows(graph, DType::f16);
  add_node(graph, "Add", {x, x}, {}, "");
}

void quick_gelu(Graph& graph) {
  add_node(graph, "QuickGelu", {add_rows(graph, DType::f16)}, {});
}

const Operator kOperators[] = {
    {"attention/e4m3", [](Graph& graph) { attention(graph, DType::f8e4m3); }},
    {"attention/f32", [](Graph& graph) { attention(graph, DType::f32); }},
    {"layer_norm/f16_to_e4m3", layer_norm},
    {"quantize/f16_to_e4m3", quantize},
    {"quick_gelu/f16", quick_gelu},
    {"add/f16", add},
};

void run_operator(benchmark::State& state, const Operator& tested, double peak) {
  Graph graph("operator");
  tested.build(graph);
  const cpu::CpuBackend backend;
  runtime::Session session(
      runtime::Engine::load(runtime::compile(std::move(graph), backend, {}), backend));
  const Graph& lowered = session.engine().graph();
  const Cost cost = cost_of(lowered, lowered.order().front(), {});
  const Value& input = lowered.value(lowered.inputs().front());
  Tensor x(DType::f32, *to_shape(input.dims));
  float value = -1.0F;
  for (float& element : x.mutable_values<float>()) element = value = value > 1 ? -1 : value + 0.01F;
  x = convert(x, input.dtype);
  for (auto _ : state) session.run({&x, 1});
  const auto runs = static_cast<double>(state.iterations());
  state.counters["B/s"] = benchmark::Counter(cost.bytes * runs, benchmark::Counter::kIsRate);
  state.counters["FLOP/s"] = benchmark::Counter(cost.flops * runs, benchmark::Counter::kIsRate);
  state.counters["of_peak"] =
      benchmark::Counter(cost.flops * runs / peak, benchmark::Counter::kIsRate);
}

}  // namespace

void register_operators() {
  const double peak = e4m3_peak(cpu::matrix_set().name);
  for (const Operator& tested : kOperators) {
    const std::string label =
        fmt::format("{}/{}/M{}/N{}", cpu::matrix_set().name, tested.name, kRows, kWidth);
    benchmark::RegisterBenchmark(label.c_str(), run_operator, tested, peak)
        ->UseRealTime()
        ->MeasureProcessCPUTime()
        ->MinTime(0.3)
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace octet::bench
