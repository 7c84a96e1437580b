// Matrix products of the CPU backend on CLIP's shapes: GFLOP/s and the share of the peak that this
// machine reaches with registers alone. Every product is checked against float64 before it is
// timed.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "bench/benches.h"
#include "bench/peak.h"
#include "cpu/column_vector.h"
#include "cpu/product.h"
#include "cpu/vector_targets.h"
#include "tensor/codecs.h"

namespace octet::cpu {
namespace {

struct Problem {
  int64_t rows;
  int64_t columns;
  int64_t depth;
};

/// fc1, fc2, q/k/v and out_proj of ViT-L/14's image tower and of its text tower with all 77 tokens;
/// fc1 and fc2 of a text of 12 tokens.
constexpr Problem kProblems[] = {
    {257, 4096, 1024}, {257, 1024, 4096}, {257, 3072, 1024}, {257, 1024, 1024}, {77, 3072, 768},
    {77, 768, 3072},   {77, 2304, 768},   {77, 768, 768},    {12, 3072, 768},   {12, 768, 3072},
};

Tensor random_tensor(DType dtype, Shape shape, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Tensor values(DType::f32, std::move(shape));
  for (float& value : values.mutable_values<float>()) value = normal(generator);
  return convert(values, dtype);
}

/// Largest error over sampled outputs, as a share of the sum of |x w|.
double sampled_error(const Tensor& x, const Tensor& w, const std::vector<float>& y) {
  std::mt19937 generator(3);
  const int64_t depth = x.extent(1);
  const int64_t columns = w.extent(1);
  double worst = 0.0;
  for (int sample = 0; sample < 200; ++sample) {
    const int64_t m = static_cast<int64_t>(generator()) % x.extent(0);
    const int64_t n = static_cast<int64_t>(generator()) % columns;
    double sum = 0.0;
    double size = 0.0;
    for (int64_t k = 0; k < depth; ++k) {
      const double product =
          double{element_as_f32(x, m * depth + k)} * double{element_as_f32(w, k * columns + n)};
      sum += product;
      size += std::abs(product);
    }
    worst = std::max(worst, std::abs(y[static_cast<size_t>(m * columns + n)] - sum) / size);
  }
  return worst;
}

void multiply(benchmark::State& state, const MatrixSet& set, const Problem& problem, DType x_type,
              DType w_type, double peak) {
  const Tensor x = random_tensor(x_type, {problem.rows, problem.depth}, 1);
  const Tensor w = random_tensor(w_type, {problem.depth, problem.columns}, 2);
  const Tensor packed = pack_matrix(w);
  const Product product(set, x_type, view_packed(packed));
  Tensor workspace(DType::u8, {static_cast<int64_t>(product.rows_bytes(problem.rows) +
                                                    product.scratch_bytes(problem.rows))});
  const ColumnVector scale = column_vector(nullptr, problem.columns, 1.0F);
  const ColumnVector bias = column_vector(nullptr, problem.columns, 0.0F);
  std::vector<float> y(static_cast<size_t>(problem.rows * problem.columns));
  Epilogue epilogue;
  epilogue.scale = scale.data();
  epilogue.bias = bias.data();
  epilogue.columns = problem.columns;
  epilogue.stride = problem.columns;
  epilogue.out = reinterpret_cast<std::byte*>(y.data());
  const auto run = [&] {
    const auto rows_bytes = product.rows_bytes(problem.rows);
    const auto bytes = workspace.mutable_bytes();
    const PreparedRows rows = product.rows_in(bytes.first(rows_bytes), problem.rows);
    product.decode(x.bytes().data(), rows);
    product.run(rows, epilogue, bytes.subspan(rows_bytes));
  };
  run();
  const double error = sampled_error(x, w, y);
  if (error > 2e-6) return state.SkipWithError(fmt::format("wrong result: {}", error).c_str());
  for (auto _ : state) run();
  const double flops = 2.0 * static_cast<double>(problem.rows * problem.columns * problem.depth);
  const double total = flops * static_cast<double>(state.iterations());
  const auto bytes = static_cast<double>(x.size_bytes() + w.size_bytes() + 4 * y.size());
  state.counters["B/s"] = benchmark::Counter(bytes * static_cast<double>(state.iterations()),
                                             benchmark::Counter::kIsRate);
  state.counters["GFLOP/s"] = benchmark::Counter(total / 1e9, benchmark::Counter::kIsRate);
  state.counters["of_peak"] = benchmark::Counter(total / peak, benchmark::Counter::kIsRate);
}

void register_products(const MatrixSet& set, const char* name, DType x, DType w, double peak) {
  for (const Problem& problem : kProblems) {
    const std::string label = fmt::format("{}/{}/M{}/N{}/K{}", set.name, name, problem.rows,
                                          problem.columns, problem.depth);
    benchmark::RegisterBenchmark(label.c_str(), multiply, set, problem, x, w, peak)
        ->UseRealTime()
        ->MeasureProcessCPUTime()
        ->MinTime(0.3)
        ->Unit(benchmark::kMillisecond);
  }
}

/// The set for every processor, E4M3 and FP32, on each vector instruction set that it may choose.
void register_targets(double peak) {
  static constexpr Problem kProblem{257, 1024, 1024};
  const MatrixSet& set = *std::ranges::find(matrix_sets(), "highway", &MatrixSet::name);
  for (const std::string& target : vector_targets()) {
    for (const DType dtype : {DType::f32, DType::f8e4m3}) {
      const std::string label = fmt::format("highway-{}/{}/M{}/N{}/K{}", target, name_of(dtype),
                                            kProblem.rows, kProblem.columns, kProblem.depth);
      const auto run = [&set, target, dtype, peak](benchmark::State& state) {
        force_vector_target(target);
        multiply(state, set, kProblem, dtype, dtype, peak);
        force_vector_target("");
      };
      benchmark::RegisterBenchmark(label.c_str(), run)
          ->UseRealTime()
          ->MeasureProcessCPUTime()
          ->MinTime(0.3)
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace octet::cpu

void octet::bench::register_cpu_kernels() {
  using cpu::register_products;
  cpu::register_targets(f32_peak());
  for (const cpu::MatrixSet& set : cpu::matrix_sets()) {
    if (!set.available()) continue;
    const double f32 = f32_peak();
    const double e4m3 = e4m3_peak(set.name);
    fmt::print("{}: peak with {} threads, f32 {:.0f} GFLOP/s, e4m3 {:.0f} GFLOP/s\n", set.name,
               thread_count(), f32 / 1e9, e4m3 / 1e9);
    register_products(set, "f32", DType::f32, DType::f32, f32);
    register_products(set, "f16_weights", DType::f32, DType::f16, f32);
    register_products(set, "e4m3", DType::f8e4m3, DType::f8e4m3, e4m3);
  }
}
