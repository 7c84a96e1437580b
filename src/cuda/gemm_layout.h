#pragma once

#include "cuda/gemm.h"

// What host and kernels of the matrix products agree on.
namespace octet::cuda {

/// Columns of one row that a lane holds side by side, and of the four lanes that share a row.
inline int strip_columns(const GemmProblem& problem) {
  return problem.out_dtype == DType::f8e4m3 ? 16 : 8;
}
inline int group_columns(const GemmProblem& problem) {
  return 4 * strip_columns(problem);
}

/// Bytes of K, and of a row of the packed weight.
inline int64_t k_bytes(const GemmProblem& problem) {
  return problem.k * static_cast<int64_t>(size_of(problem.operand_dtype));
}
inline int64_t weight_pitch_bytes(const GemmProblem& problem) {
  return (k_bytes(problem) + 15) / 16 * 16;
}

/// Bytes of K that a stage holds; the rest of K's last slab is zeros.
inline int slab_bytes(const GemmTactic& tactic) {
  return tactic.kernel == GemmKernel::mma ? 64 : 128;
}
inline int slab_count(const GemmProblem& problem, const GemmTactic& tactic) {
  return static_cast<int>((k_bytes(problem) + slab_bytes(tactic) - 1) / slab_bytes(tactic));
}

/// Are columns stored transposed?
inline bool transposes(const GemmProblem& problem) {
  return problem.transposed_from >= 0;
}

/// Is the epilogue's factor folded into the activation (one special function instead of two)?
bool folds_quick_gelu(const GemmProblem& problem);
/// Are results multiplied by a factor behind activation and residual?
bool multiplies_last(const GemmProblem& problem);

/// Shared memory of a block, threads of a block.
int64_t shared_bytes(const GemmProblem& problem, const GemmTactic& tactic);
int block_threads(const GemmTactic& tactic);

/// Why the kernel of a tactic cannot compute the problem on the device, in words; empty when it
/// can.
std::string refusal(const GemmProblem& problem, const GemmTactic& tactic,
                    const DeviceProperties& device);

}  // namespace octet::cuda
