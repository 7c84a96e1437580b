// Times the matrix products of CLIP's towers, every tactic worth timing, beside cuBLASLt's plain
// product of the same shape in the same run. Each result is checked before it is timed.
//
//   octet_gpu_gemm_bench [FILTER] [--rounds N] [--rest MS] [--burst MS] [--json FILE]
//
// FILTER: part of a product's name. Products of many layers are recorded as one CUDA graph, each
// with weights of its own, so that weights come from memory as in a model; graphs are replayed in
// turn, with a rest before each, and the median of the rounds is printed.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <optional>
#include <random>
#include <thread>

#include "base/files.h"
#include "base/json.h"
#include "base/threads.h"
#include "cuda/cublaslt.h"
#include "cuda/gemm.h"
#include "tensor/codecs.h"

namespace octet::cuda {
namespace {

constexpr int kLayers = 24;

struct Options {
  std::string filter;
  std::string json;
  int rounds = 7;
  int rest_ms = 20;
  int burst_ms = 10;
};

struct Product {
  std::string name;
  int64_t rows;
  GemmProblem problem;
};

/// The four products of a layer.
void add_layer(std::vector<Product>& all, const std::string& name, int64_t rows, int64_t width) {
  using enum GemmActivation;
  constexpr DType kE4M3 = DType::f8e4m3;
  constexpr DType kF16 = DType::f16;
  const int64_t n = 3 * width;
  all.push_back({name + " qkv", rows, {kE4M3, kE4M3, n, width, none, false, true, 2 * width}});
  all.push_back({name + " out", rows, {kE4M3, kF16, width, width, none, true, false, -1}});
  all.push_back(
      {name + " fc1", rows, {kE4M3, kE4M3, 4 * width, width, quick_gelu, false, false, -1}});
  all.push_back({name + " fc2", rows, {kE4M3, kF16, width, 4 * width, none, true, false, -1}});
}

/// ViT-L/14: 257 tokens of 1024; its text tower 77 of 768.
std::vector<Product> products() {
  std::vector<Product> all;
  for (const int64_t batch : {128, 32, 8, 1}) {
    add_layer(all, fmt::format("image {}", batch), batch * 257, 1024);
  }
  add_layer(all, "text 128", int64_t{128} * 77, 768);
  add_layer(all, "captions 128", int64_t{128} * 12, 768);
  add_layer(all, "text 1", 77, 768);
  add_layer(all, "caption 1", 12, 768);
  // Scales that differ between channels, and the same layer in FP16.
  using enum GemmActivation;
  constexpr DType kE4M3 = DType::f8e4m3;
  constexpr DType kF16 = DType::f16;
  const int64_t rows = int64_t{128} * 257;
  all.push_back({"channels out", rows, {kE4M3, kF16, 1024, 1024, none, true, true, -1}});
  all.push_back({"channels fc1", rows, {kE4M3, kE4M3, 4096, 1024, quick_gelu, false, true, -1}});
  all.push_back({"channels fc2", rows, {kE4M3, kF16, 1024, 4096, none, true, true, -1}});
  all.push_back({"f16 qkv", rows, {kF16, kF16, 3072, 1024, none, false, false, -1}});
  all.push_back({"f16 out", rows, {kF16, kF16, 1024, 1024, none, true, false, -1}});
  all.push_back({"f16 fc1", rows, {kF16, kF16, 4096, 1024, quick_gelu, false, false, -1}});
  all.push_back({"f16 fc2", rows, {kF16, kF16, 1024, 4096, none, true, false, -1}});
  return all;
}

/// Standard normal values, in any dtype.
Tensor random_values(DType dtype, Shape shape, unsigned seed) {
  static const std::vector<float> numbers = [] {
    std::mt19937 generator(11);
    std::normal_distribution<float> normal;
    std::vector<float> all(1 << 17);
    for (float& value : all) value = normal(generator);
    return all;
  }();
  const Tensor codes = convert(Tensor::from<float>({int64_t{1} << 17}, numbers), dtype);
  Tensor values(dtype, std::move(shape));
  const size_t piece = codes.size_bytes() / 2;
  std::mt19937 generator(seed);
  const auto target = values.mutable_bytes();
  for (size_t at = 0; at < target.size(); at += piece) {
    const size_t offset = generator() % (piece / 2) * 2;
    std::memcpy(target.data() + at, codes.bytes().data() + offset,
                std::min(piece, target.size() - at));
  }
  return values;
}

std::shared_ptr<std::byte> upload(const Device& device, std::span<const std::byte> bytes,
                                  size_t spare = 0) {
  auto memory = allocate_device(device, bytes.size() + spare);
  check_cuda(driver().copy_to_device(address_of(memory.get()), bytes.data(), bytes.size(), nullptr),
             "copying");
  check_cuda(driver().stream_wait(nullptr), "copying");
  return memory;
}

/// Operands of one product: one input, weights of all layers.
class Memory {
 public:
  Memory(const Device& device, const Product& product)
      : product_(product),
        a(random_values(product.problem.operand_dtype, {product.rows, product.problem.k}, 1)),
        weight(random_values(product.problem.operand_dtype, {product.problem.k, product.problem.n},
                             2)),
        residual(random_values(
            DType::f16, {product.problem.residual ? product.rows : 0, product.problem.n}, 3)) {
    const GemmProblem& problem = product.problem;
    for (int64_t column = 0; column < problem.n; ++column) {
      const float each = problem.column_scales ? 1 + static_cast<float>(column / 64 % 5) / 8 : 1;
      scale.push_back(each / std::sqrt(static_cast<float>(problem.k)));
      bias.push_back(0.25F * static_cast<float>(column % 9 - 4));
    }
    const std::array out_scale{out_scale_of(problem)};
    const Tensor packed = pack_weight(problem, weight);
    const Tensor epilogue = pack_epilogue(problem, {scale, bias, {}, out_scale});
    a_ = upload(device, a.bytes(), static_cast<size_t>(16 * problem.k * 2));
    residual_ = upload(device, residual.bytes());
    epilogue_ = upload(device, epilogue.bytes());
    const auto count = static_cast<size_t>(product.rows * problem.n);
    out_ = allocate_device(device, count * 4 + 4096);
    transposed_ = allocate_device(device, static_cast<size_t>((product.rows + 16) * problem.n));
    for (int layer = 0; layer < kLayers; ++layer)
      weights_.push_back(upload(device, packed.bytes()));
  }

  static float out_scale_of(const GemmProblem& problem) {
    return problem.out_dtype == DType::f8e4m3 ? 1.0F / 32 : 1.0F;
  }
  [[nodiscard]] GemmOperands operands(int layer) const {
    const GemmProblem& problem = product_.problem;
    GemmOperands operands;
    operands.a = a_.get();
    operands.a_pitch = problem.k;
    operands.weight = weights_[static_cast<size_t>(layer)].get();
    operands.epilogue = epilogue_.get();
    operands.residual = residual_.get();
    operands.residual_pitch = problem.n;
    operands.out = out_.get();
    operands.out_pitch = problem.transposed_from >= 0 ? problem.transposed_from : problem.n;
    operands.transposed = transposed_.get();
    operands.transposed_pitch = (product_.rows + 15) / 16 * 16;
    return operands;
  }
  [[nodiscard]] std::byte* out() const { return out_.get(); }

 private:
  const Product& product_;

 public:
  Tensor a, weight, residual;
  std::vector<float> scale, bias;

 private:
  std::shared_ptr<std::byte> a_, residual_, epilogue_, out_, transposed_;
  std::vector<std::shared_ptr<std::byte>> weights_;
};

/// The value at a row and column in float64, in units of the out scale.
double reference(const Product& product, const Memory& memory, int64_t row, int64_t column) {
  const GemmProblem& problem = product.problem;
  double sum = 0;
  for (int64_t k = 0; k < problem.k; ++k) {
    sum += static_cast<double>(element_as_f32(memory.a, row * problem.k + k)) *
           element_as_f32(memory.weight, k * problem.n + column);
  }
  const auto c = static_cast<size_t>(column);
  double value = sum * memory.scale[c] + memory.bias[c];
  if (problem.activation == GemmActivation::quick_gelu) value /= 1 + std::exp(-1.702 * value);
  if (problem.residual) value += element_as_f32(memory.residual, row * problem.n + column);
  return value / Memory::out_scale_of(problem);
}

/// Relative error of some elements of the last run.
double error_of(const Product& product, const Memory& memory) {
  const GemmProblem& problem = product.problem;
  const GemmOperands operands = memory.operands(0);
  const size_t element = size_of(problem.out_dtype);
  std::mt19937 generator(5);
  double squares = 0;
  double norm = 0;
  for (int i = 0; i < 400; ++i) {
    const auto row = static_cast<int64_t>(generator() % static_cast<uint64_t>(product.rows));
    const auto column =
        static_cast<int64_t>(generator() % static_cast<uint64_t>(operands.out_pitch));
    std::array<std::byte, 4> bytes{};
    const std::byte* from =
        memory.out() + static_cast<size_t>(row * operands.out_pitch + column) * element;
    check_cuda(driver().copy_to_host(bytes.data(), address_of(from), element, nullptr), "copying");
    check_cuda(driver().stream_wait(nullptr), "copying");
    float got = 0;
    convert_to_f32(problem.out_dtype, {bytes.data(), element}, {&got, 1});
    const double want = reference(product, memory, row, column);
    squares += (got - want) * (got - want);
    norm += want * want;
  }
  return std::sqrt(squares / norm);
}

/// A recorded sequence of launches.
class Recording {
 public:
  Recording(CUstream stream, const std::function<void()>& issue) : stream_(stream) {
    CUgraph graph = nullptr;
    check_cuda(driver().capture_begin(stream, kCaptureThreadLocal), "recording");
    issue();
    check_cuda(driver().capture_end(stream, &graph), "recording");
    check_cuda(driver().graph_instantiate(&graph_, graph, 0), "recording");
    check_cuda(driver().graph_destroy(graph), "recording");
    check_cuda(driver().event_create(&begin_, 0), "recording");
    check_cuda(driver().event_create(&end_, 0), "recording");
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording() {
    static_cast<void>(driver().graph_exec_destroy(graph_));
    static_cast<void>(driver().event_destroy(begin_));
    static_cast<void>(driver().event_destroy(end_));
  }

  /// Milliseconds of one replay, the mean of `count`, after one that warms up.
  double replay(int count) {
    check_cuda(driver().graph_launch(graph_, stream_), "running");
    check_cuda(driver().event_record(begin_, stream_), "running");
    for (int i = 0; i < count; ++i) check_cuda(driver().graph_launch(graph_, stream_), "running");
    check_cuda(driver().event_record(end_, stream_), "running");
    check_cuda(driver().event_wait(end_), "running");
    float ms = 0;
    check_cuda(driver().event_elapsed(&ms, begin_, end_), "running");
    return ms / static_cast<float>(count);
  }

 private:
  CUstream stream_;
  CUgraphExec graph_ = nullptr;
  CUevent begin_ = nullptr;
  CUevent end_ = nullptr;
};

struct Contender {
  std::string name;
  Json tactic;
  std::shared_ptr<const void> owner;  ///< what the recording needs
  std::unique_ptr<Recording> recording;
  double error = 0;
  std::vector<double> times;

  [[nodiscard]] double microseconds() const {
    std::vector<double> sorted = times;
    std::ranges::sort(sorted);
    return sorted[sorted.size() / 2] * 1e3 / kLayers;
  }
};

std::vector<Contender> our_contenders(const Device& device, CUstream stream, const Product& product,
                                      const Memory& memory) {
  const std::vector<GemmTactic> tactics =
      candidates(product.problem, product.rows, device.properties());
  std::vector<std::optional<CompiledKernel>> kernels(tactics.size());
  parallel_for(static_cast<int64_t>(tactics.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      kernels[i] = compile_kernel(source(product.problem, tactics[i]), device.properties().arch());
    }
  });
  std::vector<Contender> all;
  for (size_t i = 0; i < tactics.size(); ++i) {
    const auto gemm = std::make_shared<const Gemm>(product.problem, tactics[i],
                                                   Function(device, kernels[i]->cubin, "gemm"),
                                                   device.properties());
    gemm->launch(stream, memory.operands(0), product.rows);
    check_cuda(driver().stream_wait(stream), to_string(tactics[i]));
    Contender contender{
        to_string(tactics[i]), tactics[i].to_json(), gemm, nullptr, error_of(product, memory), {}};
    contender.recording = std::make_unique<Recording>(stream, [&] {
      for (int layer = 0; layer < kLayers; ++layer) {
        gemm->launch(stream, memory.operands(layer), product.rows);
      }
    });
    all.push_back(std::move(contender));
  }
  return all;
}

void add_library(const Device& device, CUstream stream, const Product& product,
                 const Memory& memory, DType out, std::vector<Contender>& all) {
  const GemmProblem& problem = product.problem;
  try {
    const auto library = std::make_shared<const CublasLtProduct>(
        device, problem.operand_dtype, out, product.rows, problem.n, problem.k);
    Contender contender{
        fmt::format("cuBLASLt plain, {}", name_of(out)), nullptr, library, nullptr, 0, {}};
    library->launch(stream, memory.operands(0).a, memory.operands(0).weight, memory.out());
    contender.recording = std::make_unique<Recording>(stream, [&] {
      for (int layer = 0; layer < kLayers; ++layer) {
        library->launch(stream, memory.operands(0).a, memory.operands(layer).weight, memory.out());
      }
    });
    check_cuda(driver().stream_wait(stream), "cuBLASLt");
    all.push_back(std::move(contender));
  } catch (const Error& error) {
    fmt::print("  {}\n", error.what());
  }
}

void time_all(std::vector<Contender>& all, const Options& options) {
  std::vector<size_t> order(all.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::mt19937 generator(3);
  for (int round = 0; round < options.rounds; ++round) {
    std::ranges::shuffle(order, generator);
    for (const size_t i : order) {
      std::this_thread::sleep_for(std::chrono::milliseconds(options.rest_ms));
      const double once = all[i].recording->replay(1);
      const int count = std::clamp(static_cast<int>(options.burst_ms / once), 1, 200);
      all[i].times.push_back(all[i].recording->replay(count));
    }
  }
}

Json bench(const Device& device, CUstream stream, const Product& product, const Options& options) {
  const Memory memory(device, product);
  std::vector<Contender> all = our_contenders(device, stream, product, memory);
  if (cublaslt().available) {
    add_library(device, stream, product, memory, DType::f16, all);
    if (product.problem.operand_dtype == DType::f8e4m3) {
      add_library(device, stream, product, memory, DType::f8e4m3, all);
    }
  }
  time_all(all, options);
  const GemmProblem& problem = product.problem;
  const double flop = 2.0 * static_cast<double>(product.rows * problem.n * problem.k);
  const auto library =
      std::ranges::find_if(all, [](const Contender& c) { return c.name == "cuBLASLt plain, f16"; });
  const double base = library == all.end() ? 0 : library->microseconds();
  std::ranges::stable_sort(all, {}, &Contender::microseconds);
  fmt::print("{}: {} x {} x {}\n", product.name, product.rows, problem.n, problem.k);
  Json rows = Json::array();
  for (const Contender& contender : all) {
    const double us = contender.microseconds();
    fmt::print("  {:<42} {:8.2f} us {:7.0f} TFLOP/s  x{:.3f}  error {:.1e}\n", contender.name, us,
               flop / us * 1e-6, base > 0 ? us / base : 0.0, contender.error);
    rows.push_back({{"name", contender.name},
                    {"tactic", contender.tactic},
                    {"us", us},
                    {"tflops", flop / us * 1e-6},
                    {"ratio", base > 0 ? us / base : 0.0},
                    {"error", contender.error}});
  }
  std::fflush(stdout);
  return {{"product", product.name},
          {"rows", product.rows},
          {"n", problem.n},
          {"k", problem.k},
          {"contenders", std::move(rows)}};
}

Options parse(std::span<char*> arguments) {
  Options options;
  for (size_t i = 1; i < arguments.size(); ++i) {
    const std::string name = arguments[i];
    const bool has_value = i + 1 < arguments.size();
    if (name == "--rounds" && has_value) {
      options.rounds = std::stoi(arguments[++i]);
    } else if (name == "--rest" && has_value) {
      options.rest_ms = std::stoi(arguments[++i]);
    } else if (name == "--burst" && has_value) {
      options.burst_ms = std::stoi(arguments[++i]);
    } else if (name == "--json" && has_value) {
      options.json = arguments[++i];
    } else {
      options.filter = name;
    }
  }
  return options;
}

int run(const Options& options) {
  const Device& device = Device::get(0);
  device.make_current();
  CUstream stream = nullptr;
  check_cuda(driver().stream_create(&stream, kStreamNonBlocking), "creating a stream");
  fmt::print("{}, {}\n", device.properties().name,
             cublaslt().available ? "beside cuBLASLt" : cublaslt().reason);
  Json results = Json::array();
  for (const Product& product : products()) {
    if (product.name.find(options.filter) == std::string::npos) continue;
    results.push_back(bench(device, stream, product, options));
  }
  if (!options.json.empty()) {
    write_text(options.json, results.dump(1));
  }
  return 0;
}

}  // namespace
}  // namespace octet::cuda

int main(int count, char** arguments) {
  try {
    return octet::cuda::run(octet::cuda::parse({arguments, static_cast<size_t>(count)}));
  } catch (const std::exception& error) {
    fmt::print(stderr, "octet_gpu_gemm_bench: {}\n", error.what());
    return 1;
  }
}
