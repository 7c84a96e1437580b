#include "tests/cuda/gemm_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <random>
#include <set>

#include "base/threads.h"
#include "cuda/gemm_layout.h"
#include "tensor/codecs.h"

namespace octet::cuda {
namespace {

constexpr int64_t kSpareColumns = 16;  // between the rows of results: nobody may write there
constexpr int64_t kSpareRows = 8;
constexpr std::byte kPoison{0xFF};  // a NaN in every format here

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

/// Standard normal numbers to draw from, the same in every run.
const std::vector<float>& normal_numbers() {
  static const std::vector<float> numbers = [] {
    std::mt19937 generator(7);
    std::normal_distribution<float> normal;
    std::vector<float> all(1 << 16);
    for (float& value : all) value = normal(generator);
    return all;
  }();
  return numbers;
}
float normal(uint64_t stream, int64_t index) {
  const uint64_t bits = mix(stream * 0x9E3779B97F4A7C15ULL + static_cast<uint64_t>(index));
  return normal_numbers()[bits % normal_numbers().size()];
}

float row_factor(const GemmCase& problem_case, int64_t row) {
  if (problem_case.data == GemmData::normal) return 1;
  constexpr std::array kFactors{1.0F, 300.0F, 0.004F, 0.0F, 40.0F};
  return kFactors[static_cast<size_t>(row) % kFactors.size()];
}

void store(DType dtype, float value, std::byte* to) {
  convert_from_f32(dtype, {&value, 1}, {to, size_of(dtype)});
}
double load(DType dtype, const std::byte* from) {
  float value = 0;
  convert_to_f32(dtype, {from, size_of(dtype)}, {&value, 1});
  return value;
}

/// The numbers of the epilogue, one each column.
struct Numbers {
  std::vector<float> scale, bias, alpha, out_scale;
};

Numbers numbers_of(const GemmProblem& problem) {
  Numbers numbers;
  const float unit = 1 / std::sqrt(static_cast<float>(problem.k));
  const auto uniform = problem.activation != GemmActivation::none || problem.residual;
  for (int64_t column = 0; column < problem.n; ++column) {
    const auto factor = [&](int each) {
      return problem.column_scales ? 1 + static_cast<float>(column / 16 % each) / 8 : 1.0F;
    };
    numbers.scale.push_back(unit * factor(7));
    numbers.bias.push_back(normal(3, column) / 2);
    numbers.alpha.push_back(problem.column_scales && !uniform ? 0.125F * factor(3) : 1.0F);
    const bool codes = problem.out_dtype == DType::f8e4m3;
    numbers.out_scale.push_back(codes ? (uniform ? 1.0F : factor(2)) / 64 : 1.0F);
  }
  return numbers;
}

double activated(GemmActivation activation, double x) {
  switch (activation) {
    case GemmActivation::none:
      return x;
    case GemmActivation::quick_gelu:
      return x / (1 + std::exp(-1.702 * x));
    case GemmActivation::gelu:
      return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
    case GemmActivation::gelu_tanh:
      return 0.5 * x *
             (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  }
  return x;
}

std::vector<int64_t> rows_to_check(int64_t rows) {
  std::set<int64_t> chosen;
  for (int64_t i = 0; i < 8; ++i) {
    chosen.insert({i, rows - 1 - i, rows / 2 + i, 60 + i, 124 + i});
    chosen.insert(
        static_cast<int64_t>(mix(static_cast<uint64_t>(i)) % static_cast<uint64_t>(rows)));
  }
  std::vector<int64_t> valid;
  for (const int64_t row : chosen) {
    if (row >= 0 && row < rows) valid.push_back(row);
  }
  return valid;
}

/// Operands as floats beside their codes.
struct Operand {
  std::vector<std::byte> codes;
  int64_t pitch;
  DType dtype;

  [[nodiscard]] double at(int64_t row, int64_t column) const {
    return load(dtype, codes.data() + static_cast<size_t>(row * pitch + column) * size_of(dtype));
  }
};

Operand make_a(const GemmCase& problem_case) {
  const GemmProblem& problem = problem_case.problem;
  const auto element = static_cast<int64_t>(size_of(problem.operand_dtype));
  const int64_t pitch = weight_pitch_bytes(problem) / element + 16 / element;
  const int64_t rows = (problem_case.rows + 15) / 16 * 16;
  Operand a{std::vector<std::byte>(static_cast<size_t>(rows * pitch * element), kPoison), pitch,
            problem.operand_dtype};
  parallel_for(problem_case.rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t k = 0; k < problem.k; ++k) {
        store(a.dtype, normal(1, row * problem.k + k) * row_factor(problem_case, row),
              a.codes.data() + static_cast<size_t>((row * pitch + k) * element));
      }
    }
  });
  return a;
}

Tensor make_weight(const GemmProblem& problem) {
  Tensor weight(problem.operand_dtype, {problem.k, problem.n});
  const auto bytes = weight.mutable_bytes();
  const size_t element = size_of(problem.operand_dtype);
  parallel_for(problem.k, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * problem.n; i < end * problem.n; ++i) {
      store(problem.operand_dtype, normal(2, i), bytes.data() + static_cast<size_t>(i) * element);
    }
  });
  return weight;
}

/// Computes rows of the result in float64.
struct Reference {
  const GemmCase& problem_case;
  const Numbers& numbers;
  const Operand& a;
  const std::vector<double>& weight;
  const std::vector<uint16_t>& residual;

  void row(int64_t row, double* y, double* slack) const {
    const GemmProblem& problem = problem_case.problem;
    const auto n = static_cast<size_t>(problem.n);
    std::vector<double> sums(n);
    std::vector<double> sizes(n);
    for (int64_t k = 0; k < problem.k; ++k) {
      const double value = a.at(row, k);
      const double* w = weight.data() + static_cast<size_t>(k) * n;
      for (size_t column = 0; column < n; ++column) {
        sums[column] += value * w[column];
        sizes[column] += std::abs(value * w[column]);
      }
    }
    for (size_t column = 0; column < n; ++column) {
      double value = sums[column] * numbers.scale[column] + numbers.bias[column];
      value = activated(problem.activation, value * numbers.alpha[column]);
      double size = sizes[column] * numbers.scale[column] * numbers.alpha[column];
      if (problem.residual) {
        const int64_t from = problem.residual_rows > 0 ? row % problem.residual_rows : row;
        const float added = f16_to_f32(residual[static_cast<size_t>(from) * n + column]);
        value += added;
        size += std::abs(added);
      }
      y[column] = value / numbers.out_scale[column];
      // The matrix unit of Hopper keeps 13 bits below the largest addend of each step and cuts off
      // the rest; approximate activations are good to 2^-11.
      slack[column] = (size * 4e-3 + 1e-3) / numbers.out_scale[column];
    }
  }
};

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
  std::vector<std::byte> bytes(static_cast<size_t>(layout.rows * layout.pitch) * element, kPoison);
  if (!problem_case.in_place) return bytes;
  const auto row_bytes = static_cast<size_t>(layout.columns) * element;
  for (int64_t row = 0; row < problem_case.rows; ++row) {
    std::memcpy(bytes.data() + static_cast<size_t>(row * layout.pitch) * element,
                residual.data() + row * layout.columns, row_bytes);
  }
  return bytes;
}

class Checker {
 public:
  Checker(const GemmCase& problem_case, const GemmInputs& inputs)
      : problem_(problem_case.problem), inputs_(inputs) {}

  void check_value(size_t row, int64_t column, const std::byte* at) {
    const size_t i = row * static_cast<size_t>(problem_.n) + static_cast<size_t>(column);
    const double exact = inputs_.y[i];
    std::array<std::byte, 4> stored{};
    store(problem_.out_dtype, static_cast<float>(exact), stored.data());
    const double want = load(problem_.out_dtype, stored.data());
    const double got = load(problem_.out_dtype, at);
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
  void count_poison(const std::byte* at) {
    result_.poison += std::isnan(load(problem_.out_dtype, at)) ? 1 : 0;
  }
  void count_trespass(std::span<const std::byte> bytes) {
    result_.trespasses += std::ranges::count_if(bytes, [](std::byte b) { return b != kPoison; });
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

void check_rows(const GemmCase& problem_case, const GemmInputs& inputs, const Layout& layout,
                const std::vector<std::byte>& bytes, Checker& checker) {
  const size_t element = size_of(problem_case.problem.out_dtype);
  const auto at = [&](int64_t row, int64_t column) {
    return bytes.data() + static_cast<size_t>(row * layout.pitch + column) * element;
  };
  for (int64_t row = 0; row < layout.rows; ++row) {
    const int64_t written = row < problem_case.rows ? layout.columns : 0;
    for (int64_t column = 0; column < written; ++column) checker.count_poison(at(row, column));
    checker.count_trespass(
        {at(row, written), static_cast<size_t>(layout.pitch - written) * element});
  }
  for (size_t i = 0; i < inputs.checked.size(); ++i) {
    for (int64_t column = 0; column < layout.columns; ++column) {
      checker.check_value(i, column, at(inputs.checked[i], column));
    }
  }
}

void check_transposed(const GemmCase& problem_case, const GemmInputs& inputs, const Layout& layout,
                      const std::vector<std::byte>& bytes, Checker& checker) {
  const GemmProblem& problem = problem_case.problem;
  const int64_t written = (problem_case.rows + 15) / 16 * 16;
  for (int64_t row = 0; row < layout.transposed_rows; ++row) {
    const std::byte* line = bytes.data() + row * layout.transposed_pitch;
    const int64_t feature = feature_of_row(problem, layout.columns + row);
    for (int64_t token = 0; token < written; ++token) {
      if (feature < problem.n) checker.count_poison(line + token);
      const bool padding = token >= problem_case.rows;
      if (padding && line[token] != std::byte{0}) checker.count_trespass({line + token, 1});
    }
    checker.count_trespass(
        {line + written, static_cast<size_t>(layout.transposed_pitch - written)});
    if (feature >= problem.n) continue;
    for (size_t i = 0; i < inputs.checked.size(); ++i) {
      checker.check_value(i, feature, line + inputs.checked[i]);
    }
  }
}

}  // namespace

GemmInputs make_inputs(const GemmCase& problem_case) {
  const GemmProblem& problem = problem_case.problem;
  Operand a = make_a(problem_case);
  const Tensor weight = make_weight(problem);
  const Numbers numbers = numbers_of(problem);
  GemmInputs inputs;
  inputs.a_pitch = a.pitch;
  inputs.weight = pack_weight(problem, weight);
  inputs.epilogue =
      pack_epilogue(problem, {numbers.scale, numbers.bias, numbers.alpha, numbers.out_scale});
  if (problem.residual) {
    const int64_t rows = problem.residual_rows > 0 ? problem.residual_rows : problem_case.rows;
    inputs.residual.resize(static_cast<size_t>(rows * problem.n));
    for (size_t i = 0; i < inputs.residual.size(); ++i) {
      inputs.residual[i] = f32_to_f16(normal(4, static_cast<int64_t>(i)));
    }
  }
  inputs.checked = rows_to_check(problem_case.rows);
  const Tensor floats = convert(weight, DType::f32);
  const std::vector<double> wide(floats.values<float>().begin(), floats.values<float>().end());
  const auto n = static_cast<size_t>(problem.n);
  inputs.y.resize(inputs.checked.size() * n);
  inputs.slack.resize(inputs.y.size());
  const Reference reference{problem_case, numbers, a, wide, inputs.residual};
  parallel_for(static_cast<int64_t>(inputs.checked.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      reference.row(inputs.checked[i], inputs.y.data() + i * n, inputs.slack.data() + i * n);
    }
  });
  inputs.a = std::move(a.codes);
  return inputs;
}

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
      static_cast<size_t>(layout.transposed_rows * layout.transposed_pitch), kPoison);
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
  Checker checker(problem_case, inputs);
  check_rows(problem_case, inputs, layout, first, checker);
  check_transposed(problem_case, inputs, layout, first_transposed, checker);
  return checker.result();
}

}  // namespace octet::cuda
