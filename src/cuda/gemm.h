#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "cuda/compiler.h"
#include "cuda/driver.h"
#include "tensor/tensor.h"

// Matrix products with their epilogues on the device, without knowledge of graphs: what
// octet.Linear computes,
//
//   y[m, n] = store((act(alpha[n] * (scale[n] * sum_k a[m, k] w[k, n] + bias[n])) + residual[m, n])
//                   / out_scale[n])
namespace octet::cuda {

enum class GemmActivation { none, quick_gelu, gelu, gelu_tanh };

/// What a product is specialised for; the number of rows is a number of each run.
struct GemmProblem {
  DType operand_dtype = DType::f8e4m3;  ///< of A and the weight: f8e4m3 or f16
  DType out_dtype = DType::f8e4m3;      ///< f8e4m3 (saturating), f16 or f32
  int64_t n = 0;                        ///< columns of the result: a multiple of 16 (e4m3), 8 or 4
  int64_t k = 0;
  GemmActivation activation = GemmActivation::none;
  bool residual = false;       ///< an f16 tensor is added
  bool column_scales = false;  ///< scale * alpha (and 1 / out_scale) differ between columns
  /// Columns from here on (a multiple of 64) are stored transposed, feature by feature, as
  /// attention takes V; only for f8e4m3 results. -1: none.
  int64_t transposed_from = -1;
  int64_t residual_rows = 0;  ///< row m gets the residual's row m % residual_rows; 0: row m

  friend bool operator==(const GemmProblem&, const GemmProblem&) = default;
};

/// Why no kernel here computes the problem, in words; empty when one does.
std::string refusal(const GemmProblem& problem);

/// The kernel families; kernels/gemm_*.cu say how each works.
enum class GemmKernel {
  resident,  ///< sm_90a: a weight panel stays in shared memory, A is streamed; small K
  streamed,  ///< sm_90a: both are streamed, warpgroups take turns on whole tiles
  deferred,  ///< sm_90a: tiles of 128 rows, the epilogue runs under the next tile; large K
  split,     ///< sm_90a: one tile a cluster, which shares its K; few rows
  mma,       ///< mma.sync: every architecture from sm_89 on
};

/// One way to compute a problem.
struct GemmTactic {
  GemmKernel kernel = GemmKernel::mma;
  int rows = 64;              ///< of a tile
  int columns = 128;          ///< of a tile
  int stages = 4;             ///< in flight
  int stage_slabs = 1;        ///< slabs of K (128 bytes; mma: 64) in a stage; 2: resident only
  int consumers = 1;          ///< warpgroups that multiply (mma: warps)
  int splits = 1;             ///< split: blocks of a cluster that share a tile's K
  bool programmatic = false;  ///< may start, and load weights, while the kernel before it ends

  [[nodiscard]] Json to_json() const;
  /// Throws `Error(bad_input)` naming `where`.
  static GemmTactic from_json(const Json& json, std::string_view where);
  friend bool operator==(const GemmTactic&, const GemmTactic&) = default;
};

/// "resident 64x128, 12 stages, 2 consumers"
std::string to_string(const GemmTactic& tactic);

/// Tactics worth timing for about so many rows of a problem that is not refused, the likeliest
/// first; never empty. Every tactic computes any number of rows.
std::vector<GemmTactic> candidates(const GemmProblem& problem, int64_t rows,
                                   const DeviceProperties& device);

/// The kernel of a tactic, to be compiled for `DeviceProperties::arch()`.
KernelSource source(const GemmProblem& problem, const GemmTactic& tactic);

/// The weight [k, n] as the graph holds it, as every tactic of the problem takes it:
/// [padded_columns(n), pitch], K innermost with zeros behind it, columns in the order that lets one
/// lane own 16 consecutive bytes of the result. Depends on operand_dtype, out_dtype, n and k alone.
Tensor pack_weight(const GemmProblem& problem, const Tensor& weight);

/// Columns including those of zeros that complete the last group of 64.
int64_t padded_columns(int64_t n);

/// The feature that packed row (and, of transposed results, output row) `row` holds.
int64_t feature_of_row(const GemmProblem& problem, int64_t row);

/// The numbers of the epilogue, each one for all columns or one for each.
struct GemmEpilogue {
  std::span<const float> scale;      ///< of the sums: A's scale times the weight's
  std::span<const float> bias;       ///< may be empty
  std::span<const float> alpha;      ///< empty: 1
  std::span<const float> out_scale;  ///< of the stored codes; empty: 1
};

/// Rows of a packed epilogue.
constexpr int64_t kEpilogueRows = 3;

/// The epilogue's numbers as kernels take them, F32 [kEpilogueRows, padded_columns(n)]: scale and
/// bias with alpha folded into them, and a factor of the result, folded too where neither
/// activation nor residual stands between. With one of these, out_scale is one for all columns.
Tensor pack_epilogue(const GemmProblem& problem, const GemmEpilogue& epilogue);

/// Device addresses; pitches in elements. Rows start at multiples of 16 bytes.
struct GemmOperands {
  const void* a = nullptr;  ///< [rows, a_pitch]. With a transposed part, memory up to the next
                            ///< multiple of 16 rows is read (and ignored)
  int64_t a_pitch = 0;
  const void* weight = nullptr;    ///< pack_weight
  const void* epilogue = nullptr;  ///< pack_epilogue
  /// f16 [rows or residual_rows, residual_pitch]; the former may be `out`.
  const void* residual = nullptr;
  int64_t residual_pitch = 0;
  void* out = nullptr;  ///< [rows, out_pitch], without the transposed columns
  int64_t out_pitch = 0;
  /// e4m3 [padded n - transposed_from, transposed_pitch], rows in the order of feature_of_row,
  /// columns are rows of A. Columns up to the next multiple of 16 are written, with zeros.
  void* transposed = nullptr;
  int64_t transposed_pitch = 0;  ///< a multiple of 16
};

/// A product ready to be launched. Thread-safe.
class Gemm {
 public:
  /// `function` is source(problem, tactic), compiled for and loaded on `device`.
  Gemm(const GemmProblem& problem, const GemmTactic& tactic, Function function,
       const DeviceProperties& device);

  /// Issues the kernel on `stream` and returns. No rows: nothing.
  void launch(CUstream stream, const GemmOperands& operands, int64_t rows) const;

 private:
  GemmProblem problem_;
  GemmTactic tactic_;
  Function function_;
  int multiprocessors_;
};

}  // namespace octet::cuda
