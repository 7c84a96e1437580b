#include "tests/cuda/gemm_case.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <set>

#include "base/threads.h"
#include "cuda/gemm_layout.h"
#include "tensor/codecs.h"

namespace octet::cuda {
namespace {

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
    return load_element(dtype,
                        codes.data() + static_cast<size_t>(row * pitch + column) * size_of(dtype));
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
  Operand a{std::vector<std::byte>(static_cast<size_t>(rows * pitch * element), kGemmPoison), pitch,
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

}  // namespace

double load_element(DType dtype, const std::byte* from) {
  float value = 0;
  convert_to_f32(dtype, {from, size_of(dtype)}, {&value, 1});
  return value;
}

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

}  // namespace octet::cuda
