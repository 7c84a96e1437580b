#include "cuda/gemm.h"

#include <algorithm>
#include <cstring>

#include "base/threads.h"
#include "cuda/gemm_layout.h"

namespace octet::cuda {
namespace {

/// GemmArguments of kernels/gemm_epilogue.cuh.
struct Arguments {
  const void* epilogue;
  const void* residual;
  int64_t residual_pitch;
  void* out;
  int64_t out_pitch;
  void* transposed;
  int64_t transposed_pitch;
  int rows;
  int row_tiles;
  int tiles;
};

constexpr float kQuickGeluHalf = 0.851F;

float at(std::span<const float> values, int64_t column, float fallback) {
  if (values.empty()) return fallback;
  return values[values.size() == 1 ? 0 : static_cast<size_t>(column)];
}

bool uniform(std::span<const float> values) {
  return std::ranges::all_of(values, [&](float value) { return value == values[0]; });
}

/// The numbers of a column, in the order of the packed rows.
struct ColumnNumbers {
  float scale;
  float bias;
  float factor;  ///< of the result
};

ColumnNumbers folded(const GemmProblem& problem, const ColumnNumbers& n) {
  if (folds_quick_gelu(problem)) {
    return {n.scale * kQuickGeluHalf, n.bias * kQuickGeluHalf, 0.5F * n.factor / kQuickGeluHalf};
  }
  if (multiplies_last(problem)) return n;
  return {n.scale * n.factor, n.bias * n.factor, 1};
}

void check_epilogue(const GemmProblem& problem, const GemmEpilogue& epilogue) {
  const auto fits = [&](std::span<const float> values) {
    return values.size() <= 1 || static_cast<int64_t>(values.size()) == problem.n;
  };
  check(fits(epilogue.scale) && fits(epilogue.bias) && fits(epilogue.alpha) &&
            fits(epilogue.out_scale) && !epilogue.scale.empty(),
        "the epilogue of {} columns has other extents", problem.n);
  check(problem.column_scales ||
            (uniform(epilogue.scale) && uniform(epilogue.alpha) && uniform(epilogue.out_scale)),
        "scales differ between columns, but the problem says that they do not");
}

/// Copies the elements of one group of packed rows: [k, n] to [group, pitch].
template <typename T>
void pack_group(const GemmProblem& problem, std::span<const T> from, std::span<T> to, int64_t first,
                int64_t pitch) {
  constexpr int64_t kBlock = 64;  // of K: what is read stays in the cache
  const int64_t count = group_columns(problem);
  for (int64_t k_first = 0; k_first < problem.k; k_first += kBlock) {
    const int64_t k_end = std::min(k_first + kBlock, problem.k);
    for (int64_t row = first; row < first + count; ++row) {
      const int64_t feature = feature_of_row(problem, row);
      if (feature >= problem.n) continue;
      for (int64_t k = k_first; k < k_end; ++k) {
        to[static_cast<size_t>(row * pitch + k)] =
            from[static_cast<size_t>(k * problem.n + feature)];
      }
    }
  }
}

template <typename T>
void pack_columns(const GemmProblem& problem, const Tensor& weight, Tensor& packed) {
  const auto from = weight.values<T>();
  const auto to = packed.mutable_values<T>();
  const int64_t count = group_columns(problem);
  parallel_for(packed.extent(0) / count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      pack_group(problem, from, to, group * count, packed.extent(1));
    }
  });
}

/// [rows, elements] at `pitch` elements, in boxes of one slab.
TensorMapShape matrix_map(const GemmProblem& problem, int64_t rows, int64_t elements, int64_t pitch,
                          int box_rows) {
  const size_t element = size_of(problem.operand_dtype);
  TensorMapShape shape;
  shape.type = element == 1 ? TensorMapType::u8 : TensorMapType::f16;
  shape.extents = {static_cast<uint64_t>(elements), static_cast<uint64_t>(rows)};
  shape.strides = {static_cast<uint64_t>(pitch) * element};
  shape.box = {static_cast<uint32_t>(128 / element), static_cast<uint32_t>(box_rows)};
  return shape;
}

/// A for transposed results: of every 16 rows first the even, then the odd ones, so that a lane's
/// two rows are neighbours. It ends at a multiple of 16 rows.
TensorMapShape paired_rows_map(const GemmProblem& problem, int64_t rows, int64_t pitch) {
  TensorMapShape shape = matrix_map(problem, rows, problem.k, pitch, 0);
  const uint64_t row = shape.strides[0];
  shape.extents = {static_cast<uint64_t>(problem.k), 8, 2, static_cast<uint64_t>(rows + 15) / 16};
  shape.strides = {2 * row, row, 16 * row};
  shape.box = {shape.box[0], 8, 2, 4};
  return shape;
}

int64_t tiles(int64_t extent, int tile) {
  return (extent + tile - 1) / tile;
}

unsigned grid(const GemmProblem& problem, const GemmTactic& tactic, int64_t rows,
              int multiprocessors) {
  const int64_t count = tiles(rows, tactic.rows) * tiles(problem.n, tactic.columns);
  switch (tactic.kernel) {
    case GemmKernel::resident:
      return static_cast<unsigned>(multiprocessors);
    case GemmKernel::streamed:
    case GemmKernel::deferred:
      return static_cast<unsigned>(std::min<int64_t>(multiprocessors, count));
    case GemmKernel::split:
      return static_cast<unsigned>(count * tactic.splits);
    case GemmKernel::mma:
      return static_cast<unsigned>(count);
  }
  return 0;
}

void check_operands(const GemmProblem& problem, const GemmOperands& operands) {
  const auto aligned = [](const void* data, int64_t pitch, DType dtype) {
    return (address_of(data) | static_cast<uint64_t>(pitch) * size_of(dtype)) % 16 == 0;
  };
  check(aligned(operands.a, operands.a_pitch, problem.operand_dtype) &&
            operands.a_pitch >= problem.k && aligned(operands.weight, 0, DType::u8) &&
            aligned(operands.out, operands.out_pitch, problem.out_dtype) &&
            (!problem.residual || aligned(operands.residual, operands.residual_pitch, DType::f16)),
        "operands of a matrix product do not start at multiples of 16 bytes");
  check(!transposes(problem) ||
            (operands.transposed != nullptr && operands.transposed_pitch % 16 == 0),
        "a transposed result needs memory with a pitch of a multiple of 16");
}

}  // namespace

bool folds_quick_gelu(const GemmProblem& problem) {
  return problem.activation == GemmActivation::quick_gelu && problem.out_dtype == DType::f8e4m3 &&
         !problem.residual;
}

bool multiplies_last(const GemmProblem& problem) {
  if (problem.out_dtype != DType::f8e4m3 || folds_quick_gelu(problem)) return false;
  return problem.residual || problem.activation != GemmActivation::none;
}

std::string refusal(const GemmProblem& problem) {
  const bool operands =
      problem.operand_dtype == DType::f8e4m3 || problem.operand_dtype == DType::f16;
  if (!operands) return fmt::format("operands are {}", name_of(problem.operand_dtype));
  const bool out = problem.out_dtype == DType::f8e4m3 || problem.out_dtype == DType::f16 ||
                   problem.out_dtype == DType::f32;
  if (!out) return fmt::format("the result is {}", name_of(problem.out_dtype));
  if (problem.n <= 0 || problem.k <= 0) return "the product is empty";
  const auto strip = static_cast<int64_t>(16 / size_of(problem.out_dtype));
  const int64_t multiple = std::max<int64_t>(strip, strip_columns(problem));
  if (problem.n % multiple != 0) {
    return fmt::format("{} columns are no multiple of {}", problem.n, multiple);
  }
  if (transposes(problem) &&
      (problem.out_dtype != DType::f8e4m3 || problem.transposed_from % 64 != 0 ||
       problem.transposed_from >= problem.n)) {
    return "only whole groups of 64 columns of f8e4m3 are stored transposed";
  }
  return {};
}

int64_t padded_columns(int64_t n) {
  return (n + 63) / 64 * 64;
}

int64_t feature_of_row(const GemmProblem& problem, int64_t row) {
  const int64_t group = group_columns(problem);
  const int64_t position = row % group;
  const int64_t strip = position % 8 / 2;  // the lane, of four
  return row - position + strip * strip_columns(problem) + position / 8 * 2 + position % 2;
}

Tensor pack_weight(const GemmProblem& problem, const Tensor& weight) {
  check(weight.dtype() == problem.operand_dtype && weight.shape() == Shape{problem.k, problem.n},
        "a weight {} of {} for a product of {} by {}", octet::to_string(weight.shape()),
        name_of(weight.dtype()), problem.k, problem.n);
  const auto element = static_cast<int64_t>(size_of(problem.operand_dtype));
  Tensor packed(problem.operand_dtype,
                {padded_columns(problem.n), weight_pitch_bytes(problem) / element});
  if (element == 1) {
    pack_columns<uint8_t>(problem, weight, packed);
  } else {
    pack_columns<uint16_t>(problem, weight, packed);
  }
  return packed;
}

Tensor pack_epilogue(const GemmProblem& problem, const GemmEpilogue& epilogue) {
  check_epilogue(problem, epilogue);
  const int64_t padded = padded_columns(problem.n);
  Tensor packed(DType::f32, {kEpilogueRows, padded});
  const auto values = packed.mutable_values<float>();
  for (int64_t column = 0; column < problem.n; ++column) {
    const float alpha = at(epilogue.alpha, column, 1);
    const ColumnNumbers n = folded(
        problem, {at(epilogue.scale, column, 1) * alpha, at(epilogue.bias, column, 0) * alpha,
                  1 / at(epilogue.out_scale, column, 1)});
    const std::array rows{n.scale, n.bias, n.factor};
    for (size_t row = 0; row < rows.size(); ++row) {
      values[row * static_cast<size_t>(padded) + static_cast<size_t>(column)] = rows[row];
    }
  }
  return packed;
}

Gemm::Gemm(const GemmProblem& problem, const GemmTactic& tactic, Function function,
           const DeviceProperties& device)
    : problem_(problem),
      tactic_(tactic),
      function_(std::move(function)),
      multiprocessors_(device.multiprocessors) {
  const std::string reason = refusal(problem, tactic, device);
  check(reason.empty(), "{}: {}", to_string(tactic), reason);
}

void Gemm::launch(CUstream stream, const GemmOperands& operands, int64_t rows) const {
  if (rows <= 0) return;
  check_operands(problem_, operands);
  const LaunchShape shape{grid(problem_, tactic_, rows, multiprocessors_),
                          static_cast<unsigned>(block_threads(tactic_)),
                          static_cast<unsigned>(shared_bytes(problem_, tactic_)),
                          static_cast<unsigned>(tactic_.splits),
                          1,
                          tactic_.programmatic};
  const auto row_tiles = tiles(rows, tactic_.rows);
  const Arguments arguments{operands.epilogue,
                            operands.residual,
                            operands.residual_pitch,
                            operands.out,
                            operands.out_pitch,
                            operands.transposed,
                            operands.transposed_pitch,
                            static_cast<int>(rows),
                            static_cast<int>(row_tiles),
                            static_cast<int>(row_tiles * tiles(problem_.n, tactic_.columns))};
  if (tactic_.kernel == GemmKernel::mma) {
    const auto a_pitch = operands.a_pitch * static_cast<int64_t>(size_of(problem_.operand_dtype));
    auto all = parameters(operands.a, a_pitch, operands.weight, arguments);
    function_.launch(stream, shape, all);
    return;
  }
  const int box_rows = tactic_.kernel == GemmKernel::deferred ? tactic_.rows : 64;
  const CUtensorMap a = make_tensor_map(
      operands.a, transposes(problem_)
                      ? paired_rows_map(problem_, rows, operands.a_pitch)
                      : matrix_map(problem_, rows, problem_.k, operands.a_pitch, box_rows));
  const auto element = static_cast<int64_t>(size_of(problem_.operand_dtype));
  const CUtensorMap weight = make_tensor_map(
      operands.weight, matrix_map(problem_, padded_columns(problem_.n), problem_.k,
                                  weight_pitch_bytes(problem_) / element, tactic_.columns));
  auto all = parameters(a, weight, arguments);
  function_.launch(stream, shape, all);
}

}  // namespace octet::cuda
