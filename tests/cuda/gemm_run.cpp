#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "cuda/gemm_layout.h"
#include "tensor/codecs.h"
#include "tests/cuda/gemm_case.h"

// Runs a case on the device and holds what it wrote against the reference.
namespace octet::cuda {
namespace {

constexpr int64_t kSpareColumns = 16;  // between the rows of results: nobody may write there
constexpr int64_t kSpareRows = 8;

void store(DType dtype, float value, std::byte* to) {
  convert_from_f32(dtype, {&value, 1}, {to, size_of(dtype)});
}

/// Half a unit in the last place of what the result is stored in.
double half_unit(DType dtype, double value) {
  if (dtype == DType::f32) return std::abs(value) * 1e-6;
  const int bits = dtype == DType::f16 ? 10 : 3;
  const int smallest = dtype == DType::f16 ? -14 : -6;
  const int exponent = value == 0 ? smallest : std::max(std::ilogb(value), smallest);
  return std::ldexp(0.5, exponent - bits);
}

/// The memory of a result: device bytes, poisoned before each run.
class Output {
 public:
  Output(const Device& device, size_t bytes)
      : host_(bytes), device_(allocate_device(device, bytes)) {}
  void reset(std::span<const std::byte> content) {
    check_cuda(
        driver().copy_to_device(address_of(device_.get()), content.data(), content.size(), nullptr),
        "copying");
  }
  const std::vector<std::byte>& fetch() {
    check_cuda(
        driver().copy_to_host(host_.data(), address_of(device_.get()), host_.size(), nullptr),
        "copying");
    check_cuda(driver().stream_wait(nullptr), "running a kernel");
    return host_;
  }
  [[nodiscard]] std::byte* data() const { return device_.get(); }

 private:
  std::vector<std::byte> host_;
  std::shared_ptr<std::byte> device_;
};

std::shared_ptr<std::byte> upload(const Device& device, std::span<const std::byte> bytes) {
  auto memory = allocate_device(device, bytes.size());
  check_cuda(driver().copy_to_device(address_of(memory.get()), bytes.data(), bytes.size(), nullptr),
             "copying");
  return memory;
}

/// Extents of the two parts of a result.
struct Layout {
  int64_t columns;  ///< stored as rows
  int64_t pitch;
  int64_t rows;  ///< with spare ones
  int64_t transposed_rows;
  int64_t transposed_pitch;

  explicit Layout(const GemmCase& problem_case) {
    const GemmProblem& problem = problem_case.problem;
    columns = transposes(problem) ? problem.transposed_from : problem.n;
    pitch = columns + kSpareColumns;
    rows = problem_case.rows + kSpareRows;
    transposed_rows = padded_columns(problem.n) - columns;
    transposed_pitch = (problem_case.rows + 15) / 16 * 16 + kSpareColumns;
    if (!transposes(problem)) transposed_rows = 0;
  }
};

/// The poisoned result, with the residual in place where the case says so.
std::vector<std::byte> initial_output(const GemmCase& problem_case, const Layout& layout,
                                      const std::vector<uint16_t>& residual) {
  const size_t element = size_of(problem_case.problem.out_dtype);
  std::vector<std::byte> bytes(static_cast<size_t>(layout.rows * layout.pitch) * element,
                               kGemmPoison);
  if (!problem_case.in_place) return bytes;
  const auto row_bytes = static_cast<size_t>(layout.columns) * element;
  for (int64_t row = 0; row < problem_case.rows; ++row) {
    std::memcpy(bytes.data() + static_cast<size_t>(row * layout.pitch) * element,
                residual.data() + row * layout.columns, row_bytes);
  }
  return bytes;
}

template <typename Bits>
int64_t count_above(std::span<const std::byte> elements, Bits magnitude, Bits most) {
  int64_t count = 0;
  for (size_t at = 0; at < elements.size(); at += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, elements.data() + at, sizeof(Bits));
    count += (bits & magnitude) > most ? 1 : 0;
  }
  return count;
}

int64_t count_nan(DType dtype, std::span<const std::byte> elements) {
  if (dtype == DType::f8e4m3) return count_above<uint8_t>(elements, 0x7F, 0x7E);
  if (dtype == DType::f16) return count_above<uint16_t>(elements, 0x7FFF, 0x7C00);
  return count_above<uint32_t>(elements, 0x7FFFFFFF, 0x7F800000);
}

class Checker {
 public:
  Checker(const GemmProblem& problem, const GemmInputs& inputs)
      : problem_(problem), inputs_(inputs) {}

  /// Of the same result, without anything found.
  [[nodiscard]] Checker fresh() const { return {problem_, inputs_}; }

  void check_value(size_t row, int64_t column, const std::byte* at) {
    const size_t i = row * static_cast<size_t>(problem_.n) + static_cast<size_t>(column);
    const double exact = inputs_.y[i];
    std::array<std::byte, 4> stored{};
    store(problem_.out_dtype, static_cast<float>(exact), stored.data());
    const double want = load_element(problem_.out_dtype, stored.data());
    const double got = load_element(problem_.out_dtype, at);
    if (std::isnan(got)) return;  // counted as poison
    squares_ += (got - want) * (got - want);
    norm_ += want * want;
    const double limit = problem_.out_dtype == DType::f8e4m3 ? kE4M3Max : 65504.0;
    const double difference = std::abs(got - std::clamp(exact, -limit, limit));
    result_.worst =
        std::max(result_.worst,
                 difference / (inputs_.slack[i] + half_unit(problem_.out_dtype, exact) * 1.01));
    unlike_ += got != want ? 1 : 0;
    ++values_;
  }
  /// Elements that stand side by side.
  void count_poison(std::span<const std::byte> elements) {
    result_.poison += count_nan(problem_.out_dtype, elements);
  }
  void count_trespass(std::span<const std::byte> bytes) {
    result_.trespasses +=
        std::ranges::count_if(bytes, [](std::byte b) { return b != kGemmPoison; });
  }
  void add(const Checker& other) {
    result_.worst = std::max(result_.worst, other.result_.worst);
    result_.poison += other.result_.poison;
    result_.trespasses += other.result_.trespasses;
    squares_ += other.squares_;
    norm_ += other.norm_;
    unlike_ += other.unlike_;
    values_ += other.values_;
  }
  [[nodiscard]] GemmComparison result() const {
    GemmComparison result = result_;
    result.relative = norm_ == 0 ? std::sqrt(squares_) : std::sqrt(squares_ / norm_);
    result.unlike = values_ == 0 ? 0 : static_cast<double>(unlike_) / static_cast<double>(values_);
    return result;
  }

 private:
  const GemmProblem& problem_;
  const GemmInputs& inputs_;
  GemmComparison result_;
  double squares_ = 0;
  double norm_ = 0;
  int64_t unlike_ = 0;
  int64_t values_ = 0;
};

/// Calls `check(checker, i)` for every i below `count`, side by side, and adds up what they find,
/// in order.
template <typename Check>
void check_each(Checker& checker, int64_t count, const Check& check) {
  constexpr int64_t kGrain = 64;
  std::vector<Checker> parts(static_cast<size_t>((count + kGrain - 1) / kGrain), checker.fresh());
  parallel_for(std::ssize(parts), 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      for (int64_t i = part * kGrain; i < std::min(count, (part + 1) * kGrain); ++i) {
        check(parts[static_cast<size_t>(part)], i);
      }
    }
  });
  for (const Checker& part : parts) checker.add(part);
}

void check_rows(const GemmCase& problem_case, const GemmInputs& inputs, const Layout& layout,
                const std::vector<std::byte>& bytes, Checker& checker) {
  const size_t element = size_of(problem_case.problem.out_dtype);
  const auto at = [&](int64_t row, int64_t column) {
    return bytes.data() + static_cast<size_t>(row * layout.pitch + column) * element;
  };
  check_each(checker, layout.rows, [&](Checker& part, int64_t row) {
    const int64_t written = row < problem_case.rows ? layout.columns : 0;
    part.count_poison({at(row, 0), static_cast<size_t>(written) * element});
    part.count_trespass({at(row, written), static_cast<size_t>(layout.pitch - written) * element});
  });
  check_each(checker, layout.columns, [&](Checker& part, int64_t column) {
    for (size_t i = 0; i < inputs.checked.size(); ++i) {
      part.check_value(i, column, at(inputs.checked[i], column));
    }
  });
}

void check_transposed(const GemmCase& problem_case, const GemmInputs& inputs, const Layout& layout,
                      const std::vector<std::byte>& bytes, Checker& checker) {
  const GemmProblem& problem = problem_case.problem;
  const int64_t written = (problem_case.rows + 15) / 16 * 16;
  check_each(checker, layout.transposed_rows, [&](Checker& part, int64_t row) {
    const std::byte* line = bytes.data() + row * layout.transposed_pitch;
    const int64_t feature = feature_of_row(problem, layout.columns + row);
    for (int64_t token = problem_case.rows; token < written; ++token) {
      if (line[token] != std::byte{0}) part.count_trespass({line + token, 1});
    }
    part.count_trespass({line + written, static_cast<size_t>(layout.transposed_pitch - written)});
    if (feature >= problem.n) return;
    part.count_poison({line, static_cast<size_t>(written)});
    for (size_t i = 0; i < inputs.checked.size(); ++i) {
      part.check_value(i, feature, line + inputs.checked[i]);
    }
  });
}

}  // namespace

GemmComparison run_case(const Device& device, const GemmCase& problem_case,
                        const GemmInputs& inputs, const GemmTactic& tactic, int runs) {
  const GemmProblem& problem = problem_case.problem;
  device.make_current();
  const KernelSource text = source(problem, tactic);
  const CompiledKernel kernel = compile_kernel(text, device.properties().arch());
  const Gemm gemm(problem, tactic, Function(device, kernel.cubin, text.entry), device.properties());

  const Layout layout(problem_case);
  const std::vector<std::byte> initial = initial_output(problem_case, layout, inputs.residual);
  const std::vector<std::byte> initial_transposed(
      static_cast<size_t>(layout.transposed_rows * layout.transposed_pitch), kGemmPoison);
  Output out(device, initial.size());
  Output transposed(device, initial_transposed.size());
  const auto a = upload(device, inputs.a);
  const auto weight = upload(device, inputs.weight.bytes());
  const auto epilogue = upload(device, inputs.epilogue.bytes());
  const auto residual = upload(device, std::as_bytes(std::span(inputs.residual)));
  GemmOperands operands{
      a.get(),   inputs.a_pitch, weight.get(), epilogue.get(),    residual.get(),
      problem.n, out.data(),     layout.pitch, transposed.data(), layout.transposed_pitch};
  if (problem_case.in_place) {
    operands.residual = out.data();
    operands.residual_pitch = layout.pitch;
  }
  std::vector<std::byte> first, first_transposed;
  for (int run = 0; run < runs; ++run) {
    out.reset(initial);
    transposed.reset(initial_transposed);
    gemm.launch(nullptr, operands, problem_case.rows);
    const auto& bytes = out.fetch();
    const auto& transposed_bytes = transposed.fetch();
    if (run == 0) first = bytes, first_transposed = transposed_bytes;
    check(bytes == first && transposed_bytes == first_transposed, "{}: run {} differs",
          to_string(tactic), run);
  }
  Checker checker(problem_case.problem, inputs);
  check_rows(problem_case, inputs, layout, first, checker);
  check_transposed(problem_case, inputs, layout, first_transposed, checker);
  return checker.result();
}

}  // namespace octet::cuda
