// Matrix products of the CPU backend on CLIP's shapes: GFLOP/s and the share of the peak that this
// machine reaches with registers alone: of_peak over all runs, left_alone in the shortest.
// Every product is checked against float64 before it is timed, and what stands behind it against
// its steps one by one.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
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

using bench::e4m3_floor;

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

/// What happens behind a product while it is timed.
enum class Finish {
  floats,     ///< scale and bias
  looked_up,  ///< fc1: QuickGELU and E4M3 codes by a table, steps in FP16
  residual,   ///< fc2 and out_proj: added to FP16 values, steps in FP16
};

struct Case {
  MatrixSet set;
  Problem problem;
  DType x;
  DType w;
  Finish finish;
  double peak;  ///< FLOP/s
};

/// One product with all that it reads and writes.
class Work {
 public:
  explicit Work(const Case& c)
      : problem_(c.problem),
        x_(random_tensor(c.x, {c.problem.rows, c.problem.depth}, 1)),
        w_(random_tensor(c.w, {c.problem.depth, c.problem.columns}, 2)),
        packed_(pack_matrix(w_)),
        product_(c.set, c.x, view_packed(packed_)),
        workspace_(DType::u8, {static_cast<int64_t>(product_.rows_bytes(problem_.rows) +
                                                    product_.scratch_bytes(problem_.rows))}),
        y_(static_cast<size_t>(problem_.rows * problem_.columns)) {
    epilogue_.scale = ones_.data();
    epilogue_.bias = zeros_.data();
    epilogue_.columns = problem_.columns;
    epilogue_.stride = problem_.columns;
    epilogue_.out = reinterpret_cast<std::byte*>(y_.data());
  }

  /// From now on the result is finished so. To be called behind `run`, once.
  void finish_with(Finish finish) {
    if (finish == Finish::floats) return;
    sums_ = y_;
    epilogue_.f16_steps = true;
    std::ranges::fill(ones_.values(), 1.0F / 32);  // random sums stay far from infinity
    if (finish == Finish::residual) {
      epilogue_.out_dtype = DType::f16;
      epilogue_.residual = residual_.bytes().data();
      epilogue_.residual_dtype = DType::f16;
      return;
    }
    epilogue_.out_dtype = DType::f8e4m3;
    epilogue_.out_scale = ones_.data();
    epilogue_.activation = Activation::quick_gelu;
    fill_code_table(epilogue_, 0, *table_);
    tables_.assign(static_cast<size_t>(product_.weights().panel_count()), table_.get());
    epilogue_.tables = tables_.data();
  }

  void run() {
    const auto rows_bytes = product_.rows_bytes(problem_.rows);
    const auto bytes = workspace_.mutable_bytes();
    const PreparedRows rows = product_.rows_in(bytes.first(rows_bytes), problem_.rows);
    product_.decode(x_.bytes().data(), rows);
    product_.run(rows, epilogue_, bytes.subspan(rows_bytes));
  }

  /// Of floats.
  [[nodiscard]] double error() const { return sampled_error(x_, w_, y_); }

  /// How many finished elements are not what their sums give, step by step.
  [[nodiscard]] int64_t wrong_elements() const {
    int64_t wrong = 0;
    for (size_t i = 0; i < sums_.size(); ++i) {
      const float scaled = round_to_f16(sums_[i] * ones_.data()[0]);
      if (epilogue_.out_dtype == DType::f16) {
        const auto* out = reinterpret_cast<const uint16_t*>(y_.data());
        const float added = scaled + element_as_f32(residual_, static_cast<int64_t>(i));
        wrong += out[i] != f32_to_f16(added) ? 1 : 0;
      } else {
        const auto* out = reinterpret_cast<const uint8_t*>(y_.data());
        wrong += out[i] != (*table_)[f32_to_f16(scaled + 0.0F)] ? 1 : 0;
      }
    }
    return wrong;
  }

  [[nodiscard]] double flops() const {
    return 2.0 * static_cast<double>(problem_.rows * problem_.columns * problem_.depth);
  }
  [[nodiscard]] double bytes() const {
    const auto out = y_.size() * size_of(epilogue_.out_dtype);
    return static_cast<double>(x_.size_bytes() + w_.size_bytes() + out);
  }

 private:
  Problem problem_;
  Tensor x_;
  Tensor w_;
  Tensor packed_;
  Product product_;
  Tensor workspace_;
  std::vector<float> y_;
  std::vector<float> sums_;
  ColumnVector ones_ = column_vector(nullptr, problem_.columns, 1.0F);
  ColumnVector zeros_ = column_vector(nullptr, problem_.columns, 0.0F);
  Tensor residual_ = random_tensor(DType::f16, {problem_.rows, problem_.columns}, 3);
  std::unique_ptr<CodeTable> table_ = std::make_unique<CodeTable>();
  std::vector<const CodeTable*> tables_;
  Epilogue epilogue_;
};

/// The shortest of many runs and of bursts of registers alone between them. On a machine that
/// others use, the two tell what the product reaches when it is left alone.
class Shortest {
 public:
  explicit Shortest(const MatrixSet& set) : set_(set) {}

  /// Runs `work` and returns its seconds.
  double run(Work& work) {
    burst_ = std::min(burst_, e4m3_floor(set_.name, work.flops() / kBursts));
    const auto start = std::chrono::steady_clock::now();
    work.run();
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    run_ = std::min(run_, passed.count());
    return passed.count();
  }

  /// Share of the peak.
  [[nodiscard]] double share() const { return kBursts * burst_ / run_; }

 private:
  static constexpr double kBursts = 16;  ///< that do as many operations as a run
  const MatrixSet& set_;
  double burst_ = 1e30;
  double run_ = 1e30;
};

void multiply(benchmark::State& state, const Case& c) {
  Work work(c);
  work.run();
  if (work.error() > 2e-6) {
    return state.SkipWithError(fmt::format("wrong result: {}", work.error()).c_str());
  }
  work.finish_with(c.finish);
  work.run();
  if (work.wrong_elements() > 0) {
    return state.SkipWithError(fmt::format("{} wrong elements", work.wrong_elements()).c_str());
  }
  Shortest shortest(c.set);
  for (auto _ : state) state.SetIterationTime(shortest.run(work));
  const auto runs = static_cast<double>(state.iterations());
  const auto rate = benchmark::Counter::kIsRate;
  state.counters["B/s"] = benchmark::Counter(work.bytes() * runs, rate);
  state.counters["GFLOP/s"] = benchmark::Counter(work.flops() * runs / 1e9, rate);
  state.counters["of_peak"] = benchmark::Counter(work.flops() * runs / c.peak, rate);
  if (c.x == DType::f8e4m3) state.counters["left_alone"] = shortest.share();
}

std::string label_of(std::string_view set, std::string_view name, const Problem& problem) {
  return fmt::format("{}/{}/M{}/N{}/K{}", set, name, problem.rows, problem.columns, problem.depth);
}

template <typename Run>
void register_run(const std::string& label, Run run) {
  benchmark::RegisterBenchmark(label.c_str(), run)
      ->UseManualTime()
      ->MinTime(0.3)
      ->Unit(benchmark::kMillisecond);
}

void register_case(std::string_view name, const Case& c) {
  const auto run = [c](benchmark::State& state) { multiply(state, c); };
  register_run(label_of(c.set.name, name, c.problem), run);
}

void register_products(const MatrixSet& set, const char* name, DType x, DType w, double peak) {
  for (const Problem& problem : kProblems) {
    register_case(name, {set, problem, x, w, Finish::floats, peak});
  }
}

/// FP8 products of the image tower with what stands behind them there.
void register_finished(const MatrixSet& set, double peak) {
  constexpr DType kCodes = DType::f8e4m3;
  register_case("fc1", {set, {257, 4096, 1024}, kCodes, kCodes, Finish::looked_up, peak});
  register_case("fc2", {set, {257, 1024, 4096}, kCodes, kCodes, Finish::residual, peak});
  register_case("out_proj", {set, {257, 1024, 1024}, kCodes, kCodes, Finish::residual, peak});
}

/// The set for every processor, E4M3 and FP32, on each vector instruction set that it may choose.
void register_targets(double peak) {
  const MatrixSet& set = *std::ranges::find(matrix_sets(), "highway", &MatrixSet::name);
  for (const std::string& target : vector_targets()) {
    for (const DType dtype : {DType::f32, DType::f8e4m3}) {
      const Case c{set, {257, 1024, 1024}, dtype, dtype, Finish::floats, peak};
      const auto run = [target, c](benchmark::State& state) {
        force_vector_target(target);
        multiply(state, c);
        force_vector_target("");
      };
      register_run(label_of("highway-" + target, name_of(dtype), c.problem), run);
    }
  }
}

}  // namespace
}  // namespace octet::cpu

void octet::bench::register_cpu_kernels() {
  using cpu::register_finished;
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
    register_finished(set, e4m3);
  }
}
