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
/// Which of them element `index` of a stream draws.
size_t drawn(uint64_t stream, int64_t index) {
  const uint64_t bits = mix(stream * 0x9E3779B97F4A7C15ULL + static_cast<uint64_t>(index));
  return bits % normal_numbers().size();
}
float normal(uint64_t stream, int64_t index) {
  return normal_numbers()[drawn(stream, index)];
}

/// All of them times a factor, as the dtype stores them: cheaper than storing each that is drawn.
template <typename Bits>
std::vector<Bits> stored_numbers(DType dtype, float factor) {
  std::vector<float> scaled = normal_numbers();
  for (float& value : scaled) value *= factor;
  std::vector<Bits> bits(scaled.size());
  convert_from_f32(dtype, scaled, std::as_writable_bytes(std::span(bits)));
  return bits;
}

/// Elements `first` on of a stream.
template <typename Bits>
void draw(const std::vector<Bits>& numbers, uint64_t stream, int64_t first, std::span<Bits> to) {
  for (Bits& bits : to) bits = numbers[drawn(stream, first++)];
}

/// Of the rows of A, in turn.
std::vector<float> row_factors(GemmData data) {
  if (data == GemmData::normal) return {1.0F};
  return {1.0F, 300.0F, 0.004F, 0.0F, 40.0F};
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

template <typename Bits>
void fill_a(const GemmCase& problem_case, Operand& a) {
  const int64_t k = problem_case.problem.k;
  std::vector<std::vector<Bits>> numbers;
  for (const float factor : row_factors(problem_case.data)) {
    numbers.push_back(stored_numbers<Bits>(a.dtype, factor));
  }
  parallel_for(problem_case.rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      auto* to = reinterpret_cast<Bits*>(a.codes.data()) + row * a.pitch;
      draw(numbers[static_cast<size_t>(row) % numbers.size()], 1, row * k,
           {to, static_cast<size_t>(k)});
    }
  });
}

Operand make_a(const GemmCase& problem_case) {
  const GemmProblem& problem = problem_case.problem;
  const auto element = static_cast<int64_t>(size_of(problem.operand_dtype));
  const int64_t pitch = weight_pitch_bytes(problem) / element + 16 / element;
  const int64_t rows = (problem_case.rows + 15) / 16 * 16;
  Operand a{std::vector<std::byte>(static_cast<size_t>(rows * pitch * element), kPoison), pitch,
            problem.operand_dtype};
  element == 1 ? fill_a<uint8_t>(problem_case, a) : fill_a<uint16_t>(problem_case, a);
  return a;
}

template <typename Bits>
void fill_drawn(DType dtype, uint64_t stream, std::span<Bits> to) {
  const std::vector<Bits> numbers = stored_numbers<Bits>(dtype, 1);
  parallel_for(std::ssize(to), 4096, [&](int64_t begin, int64_t end) {
    draw(numbers, stream, begin,
         to.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
  });
}

Tensor make_weight(const GemmProblem& problem) {
  Tensor weight(problem.operand_dtype, {problem.k, problem.n});
  if (size_of(problem.operand_dtype) == 1) {
    fill_drawn(problem.operand_dtype, 2, weight.mutable_values<uint8_t>());
  } else {
    fill_drawn(problem.operand_dtype, 2, weight.mutable_values<uint16_t>());
  }
  return weight;
}

/// The values of a tensor.
std::vector<double> widened(const Tensor& tensor) {
  const size_t element = size_of(tensor.dtype());
  std::vector<double> values(static_cast<size_t>(tensor.count()));
  parallel_for(tensor.count(), 4096, [&](int64_t begin, int64_t end) {
    const auto first = static_cast<size_t>(begin);
    std::vector<float> part(static_cast<size_t>(end - begin));
    convert_to_f32(tensor.dtype(), tensor.bytes().subspan(first * element, part.size() * element),
                   part);
    std::ranges::copy(part, values.begin() + begin);
  });
  return values;
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
  /// Elements that stand side by side.
  void count_poison(std::span<const std::byte> elements) {
    result_.poison += count_nan(problem_.out_dtype, elements);
  }
  void count_trespass(std::span<const std::byte> bytes) {
    result_.trespasses += std::ranges::count_if(bytes, [](std::byte b) { return b != kPoison; });
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
    fill_drawn<uint16_t>(DType::f16, 4, inputs.residual);
  }
  inputs.checked = rows_to_check(problem_case.rows);
  const std::vector<double> wide = widened(weight);
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
  Checker checker(problem_case.problem, inputs);
  check_rows(problem_case, inputs, layout, first, checker);
  check_transposed(problem_case, inputs, layout, first_transposed, checker);
  return checker.result();
}

}  // namespace octet::cuda
