#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "cuda/compiler.h"
#include "cuda/driver.h"
#include "tensor/tensor.h"

// Multi-head attention on the device, without knowledge of graphs: what octet.Attention computes.
namespace octet::cuda {

/// How the producer of q, k and v stores them.
enum class AttentionLayout {
  /// q, k, v [tokens, pitch]; head h in columns [h * head_dim, (h + 1) * head_dim). They may stand
  /// side by side in one tensor. Addresses are multiples of 8 elements, as are pitches.
  rows,
  /// f8e4m3; addresses and pitches are multiples of 16. q and k as above, but k has memory for a
  /// number of rows that is a multiple of 16: those behind the last token may hold anything. v is V
  /// transposed, [heads * head_dim, v_pitch]: row r holds feature `value_row_order(...)[r]`, column
  /// t token t, without gaps between samples. Columns behind the last token may hold anything.
  values_transposed,
};

/// The feature that each row of a transposed V holds: row 8j + 2t + e of a head, feature
/// head_dim / 4 * t + 2j + e of it (t below 4, e below 2). A lane of the kernel so owns
/// neighbouring features. Permute the rows of V's weights and bias by it.
std::vector<int64_t> value_row_order(int heads, int head_dim);

/// What an attention kernel is specialised for. Pitches are in elements.
struct AttentionProblem {
  DType dtype = DType::f8e4m3;      ///< of q, k and v: f8e4m3 or f16
  DType out_dtype = DType::f8e4m3;  ///< f8e4m3 or f16
  int heads = 1;
  int head_dim = 64;  ///< a multiple of 8, up to 128
  int max_rows = 1;   ///< of a sample: all have so many, or at most so many when ragged; up to 1024
  bool causal = false;
  bool ragged = false;        ///< samples lie where `ranges` says
  bool pooled_query = false;  ///< q and the output have one row a sample
  bool quantized = true;      ///< the normalised probabilities are E4M3 codes
  AttentionLayout layout = AttentionLayout::rows;
  int64_t q_pitch = 64;
  int64_t k_pitch = 64;
  int64_t v_pitch = 64;
};

/// Why no kernel here computes the problem on the device, in words; empty when one does. Ask with
/// `values_transposed` first: its kernels are the faster ones.
std::string refusal(const AttentionProblem& problem, const DeviceProperties& device);

enum class AttentionKernel {
  mma,        ///< any device, `rows`
  sm90,       ///< Hopper: `values_transposed`, or f16 by `rows`
  sm90_long,  ///< the same for any number of rows; two passes over the keys
};

/// One way to compute a problem.
struct AttentionTactic {
  AttentionKernel kernel = AttentionKernel::mma;
  int warps = 4;   ///< mma: 16 query rows each
  int stages = 0;  ///< sm90: samples and heads in shared memory at a time
  int blocks = 1;  ///< mma: for one sample and head; sm90: of a launch, at most

  [[nodiscard]] Json to_json() const;
  /// Throws `Error(bad_input)` naming `where`.
  static AttentionTactic from_json(const Json& json, std::string_view where);
};

/// Tactics for a problem that is not refused, the likeliest first; never empty.
std::vector<AttentionTactic> candidates(const AttentionProblem& problem,
                                        const DeviceProperties& device);

KernelSource source(const AttentionProblem& problem, const AttentionTactic& tactic);

/// Device addresses. `ranges` is i32 [batch, 2], a sample's first row and the row behind its last;
/// only for ragged problems. `y` is [tokens, heads * head_dim], dense.
struct AttentionOperands {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  const void* ranges = nullptr;
  void* y = nullptr;
};

/// The numbers of octet.Attention.
struct AttentionScales {
  float scale = 1;
  float q = 1;
  float k = 1;
  float v = 1;
  float softmax = 1;  ///< of the probabilities' codes; unused when they are not quantized
  float y = 1;        ///< of the output's codes; unused when it is f16
};

/// What differs from run to run.
struct AttentionRun {
  AttentionOperands operands;
  AttentionScales scales;
  int64_t batch = 0;  ///< samples; more than none
};

/// Issues the kernel on `stream` and returns. `function` is `source(problem, tactic)`, compiled.
void launch(CUstream stream, const Function& function, const AttentionProblem& problem,
            const AttentionTactic& tactic, const AttentionRun& run);

}  // namespace octet::cuda
