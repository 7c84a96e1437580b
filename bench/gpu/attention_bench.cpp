// Times attention at the shapes of CLIP's towers, every tactic, as a CUDA graph of 20 launches over
// inputs that rotate where they would fit into the L2 cache.
//
//   octet_gpu_attention_bench [FILTER]
//
// FILTER: part of a shape's name. The floor is the larger of two times: the operands and the result
// through memory once, and one exponential for every score that counts, 16 a clock and
// multiprocessor. A kernel's share of it is floor / time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/error.h"
#include "cuda/attention.h"
#include "tensor/codecs.h"

namespace octet::cuda {
namespace {

constexpr int kLaunches = 20;
constexpr int kRounds = 9;
constexpr double kMemoryRate = 4.2e12;          // bytes a second
constexpr double kExponentials = 16 * 1.755e9;  // a second and multiprocessor
constexpr float kCodeScale = 5.5F / 448;

struct Shape {
  std::string name;
  AttentionProblem problem;
  int64_t batch = 128;
  std::vector<int> rows;  ///< of ragged samples, in turn

  [[nodiscard]] int64_t width() const { return int64_t{problem.heads} * problem.head_dim; }
  [[nodiscard]] int64_t rows_of(int64_t sample) const {
    return problem.ragged ? rows[static_cast<size_t>(sample) % rows.size()] : problem.max_rows;
  }
  [[nodiscard]] int64_t tokens() const {
    int64_t sum = 0;
    for (int64_t i = 0; i < batch; ++i) sum += rows_of(i);
    return sum;
  }
  [[nodiscard]] double exponentials() const {
    double sum = 0;
    for (int64_t i = 0; i < batch; ++i) {
      const auto n = static_cast<double>(rows_of(i));
      sum += problem.causal ? n * (n + 1) / 2 : n * n;
    }
    return sum * problem.heads;
  }
  [[nodiscard]] double bytes() const {
    return static_cast<double>(tokens() * width()) *
           static_cast<double>(3 * size_of(problem.dtype) + size_of(problem.out_dtype));
  }
};

/// An image tower of CLIP.
struct ImageTower {
  const char* name;
  int heads;
  int head_dim;
  int rows;
  int64_t batch;
};

constexpr ImageTower kImageTowers[] = {
    {"L/14", 16, 64, 257, 128}, {"L/14", 16, 64, 257, 1},  {"L/14 at 336", 16, 64, 577, 32},
    {"B/16", 12, 64, 197, 128}, {"B/32", 12, 64, 50, 128}, {"H/14", 16, 80, 257, 128},
};

/// In the layout that the device's fastest kernels take.
Shape image(const ImageTower& tower, DType dtype, const DeviceProperties& device) {
  Shape shape{
      fmt::format("{} {} batch {}", tower.name, name_of(dtype), tower.batch), {}, tower.batch, {}};
  AttentionProblem& p = shape.problem;
  p.heads = tower.heads;
  p.head_dim = tower.head_dim;
  p.max_rows = tower.rows;
  p.dtype = p.out_dtype = dtype;
  p.quantized = dtype == DType::f8e4m3;
  p.layout = AttentionLayout::values_transposed;
  p.q_pitch = p.k_pitch = 2 * shape.width();
  p.v_pitch = (shape.tokens() + 15) / 16 * 16;
  if (refusal(p, device).empty()) return shape;
  p.layout = AttentionLayout::rows;
  p.q_pitch = p.k_pitch = p.v_pitch = 3 * shape.width();
  return shape;
}

Shape text(std::string name, std::vector<int> rows, bool f16) {
  Shape shape{std::move(name), {}, 128, std::move(rows)};
  AttentionProblem& p = shape.problem;
  p.heads = 12;
  p.max_rows = 77;
  p.causal = true;
  p.ragged = !shape.rows.empty();
  if (f16) p.dtype = p.out_dtype = DType::f16;
  p.quantized = !f16;
  p.q_pitch = p.k_pitch = p.v_pitch = 3 * shape.width();
  return shape;
}

std::vector<Shape> shapes(const DeviceProperties& device) {
  std::vector<Shape> all;
  for (const DType dtype : {DType::f8e4m3, DType::f16}) {
    for (const ImageTower& tower : kImageTowers) all.push_back(image(tower, dtype, device));
    const bool f16 = dtype == DType::f16;
    const std::string type(name_of(dtype));
    all.push_back(text("text " + type, {}, f16));
    all.push_back(text("text ragged, full " + type, {77}, f16));
    all.push_back(text("captions " + type, {8, 10, 12, 9, 14, 11, 7, 16, 13, 12, 20, 12}, f16));
  }
  return all;
}

/// Device memory with standard normal values, as codes of kCodeScale where they are codes.
std::shared_ptr<std::byte> random_memory(const Device& device, DType dtype, int64_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, dtype == DType::f8e4m3 ? 1 / kCodeScale : 1);
  std::vector<float> values(1 << 18);
  for (float& value : values) value = normal(random);
  const size_t size = size_of(dtype);
  std::vector<std::byte> piece(values.size() * size);
  convert_from_f32(dtype, values, piece);
  const size_t bytes = static_cast<size_t>(count) * size;
  auto memory = allocate_device(device, bytes);
  for (size_t at = 0; at < bytes; at += piece.size()) {
    check_cuda(driver().copy_to_device(address_of(memory.get() + at), piece.data(),
                                       std::min(piece.size(), bytes - at), nullptr),
               "copying");
  }
  check_cuda(driver().stream_wait(nullptr), "copying");
  return memory;
}

/// As many sets of operands as exceed the L2 cache.
class Operands {
 public:
  Operands(const Device& device, const Shape& shape) {
    const auto l2 = static_cast<double>(device.properties().l2_bytes);
    const int sets = std::max(1, static_cast<int>(2 * l2 / shape.bytes()));
    ranges_ = upload_ranges(device, shape);
    for (int i = 0; i < std::min(sets, kLaunches); ++i) add(device, shape);
  }
  [[nodiscard]] const AttentionOperands& at(int launch) const {
    return all_[static_cast<size_t>(launch) % all_.size()];
  }

 private:
  static std::shared_ptr<std::byte> upload_ranges(const Device& device, const Shape& shape) {
    std::vector<int32_t> ranges;
    int64_t token = 0;
    for (int64_t i = 0; i < shape.batch; ++i) {
      ranges.push_back(static_cast<int32_t>(token));
      token += shape.rows_of(i);
      ranges.push_back(static_cast<int32_t>(token));
    }
    const auto bytes = std::as_bytes(std::span(ranges));
    auto memory = allocate_device(device, bytes.size());
    check_cuda(
        driver().copy_to_device(address_of(memory.get()), bytes.data(), bytes.size(), nullptr),
        "copying");
    check_cuda(driver().stream_wait(nullptr), "copying");
    return memory;
  }
  void add(const Device& device, const Shape& shape) {
    const AttentionProblem& p = shape.problem;
    const int64_t rows = (shape.tokens() + 15) / 16 * 16;
    const auto size = static_cast<int64_t>(size_of(p.dtype));
    const std::byte* q = keep(random_memory(device, p.dtype, rows * p.q_pitch));
    const std::byte* v = q + 2 * shape.width() * size;
    if (p.layout == AttentionLayout::values_transposed) {
      v = keep(random_memory(device, p.dtype, shape.width() * p.v_pitch));
    }
    std::byte* y = keep(
        allocate_device(device, static_cast<size_t>(rows * shape.width()) * size_of(p.out_dtype)));
    all_.push_back({q, q + shape.width() * size, v, ranges_.get(), y});
  }
  std::byte* keep(std::shared_ptr<std::byte> memory) {
    kept_.push_back(std::move(memory));
    return kept_.back().get();
  }

  std::shared_ptr<std::byte> ranges_;
  std::vector<std::shared_ptr<std::byte>> kept_;
  std::vector<AttentionOperands> all_;
};

AttentionScales scales_of(const AttentionProblem& problem) {
  const float code = problem.dtype == DType::f8e4m3 ? kCodeScale : 1;
  return {1 / std::sqrt(static_cast<float>(problem.head_dim)),
          code,
          code,
          code,
          1.0F / 448,
          kCodeScale / 4};
}

/// Microseconds of one launch, the median over rounds.
double time_tactic(const Device& device, CUstream stream, const Shape& shape,
                   const AttentionTactic& tactic, const Operands& operands) {
  const KernelSource text = source(shape.problem, tactic);
  const Function function(device, compile_kernel(text, device.properties().arch()).cubin,
                          text.entry);
  const auto issue = [&](int i) {
    launch(stream, function, shape.problem, tactic,
           {operands.at(i), scales_of(shape.problem), shape.batch});
  };
  const DriverTable& api = driver();
  CUgraph graph = nullptr;
  CUgraphExec recorded = nullptr;
  CUevent begin = nullptr;
  CUevent end = nullptr;
  check_cuda(api.capture_begin(stream, kCaptureThreadLocal), "recording");
  for (int i = 0; i < kLaunches; ++i) issue(i);
  check_cuda(api.capture_end(stream, &graph), "recording");
  check_cuda(api.graph_instantiate(&recorded, graph, 0), "recording");
  check_cuda(api.event_create(&begin, 0), "timing");
  check_cuda(api.event_create(&end, 0), "timing");
  check_cuda(api.graph_launch(recorded, stream), "running");
  std::vector<float> times(kRounds);
  for (float& ms : times) {
    check_cuda(api.event_record(begin, stream), "timing");
    check_cuda(api.graph_launch(recorded, stream), "running");
    check_cuda(api.event_record(end, stream), "timing");
    check_cuda(api.event_wait(end), "running");
    check_cuda(api.event_elapsed(&ms, begin, end), "timing");
  }
  std::ranges::sort(times);
  static_cast<void>(api.graph_exec_destroy(recorded));
  static_cast<void>(api.graph_destroy(graph));
  static_cast<void>(api.event_destroy(begin));
  static_cast<void>(api.event_destroy(end));
  return times[kRounds / 2] * 1e3 / kLaunches;
}

void bench(const Device& device, CUstream stream, const Shape& shape) {
  const double memory = shape.bytes() / kMemoryRate;
  const double exponentials =
      shape.exponentials() / (kExponentials * device.properties().multiprocessors);
  const double floor = std::max(memory, exponentials) * 1e6;
  fmt::print("{}: floor {:.1f} us (memory {:.1f}, exponentials {:.1f})\n", shape.name, floor,
             memory * 1e6, exponentials * 1e6);
  const Operands operands(device, shape);
  for (const AttentionTactic& tactic : candidates(shape.problem, device.properties())) {
    const double us = time_tactic(device, stream, shape, tactic, operands);
    fmt::print("  {:8.2f} us  {:4.2f} of the floor  {}\n", us, floor / us, tactic.to_json().dump());
  }
}

int run(const std::string& filter) {
  const Device& device = Device::get(0);
  device.make_current();
  CUstream stream = nullptr;
  check_cuda(driver().stream_create(&stream, kStreamNonBlocking), "creating a stream");
  for (const Shape& shape : shapes(device.properties())) {
    if (shape.name.find(filter) != std::string::npos) bench(device, stream, shape);
  }
  return 0;
}

}  // namespace
}  // namespace octet::cuda

int main(int count, char** arguments) {
  try {
    return octet::cuda::run(count > 1 ? arguments[1] : "");
  } catch (const octet::Error& error) {
    fmt::print(stderr, "octet_gpu_attention_bench: {}\n", error.what());
    return static_cast<int>(error.code());
  }
}
