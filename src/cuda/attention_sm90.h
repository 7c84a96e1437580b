#pragma once

#include "cuda/attention.h"

// Hopper's attention kernels: what cuda/attention.h needs of them. Both take f8e4m3 with V
// transposed and f16 by rows.
namespace octet::cuda {

/// Why neither computes the problem, in words; empty when one does.
std::string refusal_sm90(const AttentionProblem& problem, const DeviceProperties& device);

/// Of both; the likeliest first.
std::vector<AttentionTactic> candidates_sm90(const AttentionProblem& problem,
                                             const DeviceProperties& device);

/// kernels/attention_sm90.cu: few keys in one pass, 8 rows at most behind the tiles of 64.
KernelSource source_sm90(const AttentionProblem& problem, const AttentionTactic& tactic);
void launch_sm90(CUstream stream, const Function& function, const AttentionProblem& problem,
                 const AttentionTactic& tactic, const AttentionRun& run);

/// kernels/attention_sm90_long.cu: any number of keys that fits into shared memory, in two passes.
std::vector<AttentionTactic> candidates_sm90_long(const AttentionProblem& problem,
                                                  const DeviceProperties& device);
KernelSource source_sm90_long(const AttentionProblem& problem, const AttentionTactic& tactic);
void launch_sm90_long(CUstream stream, const Function& function, const AttentionProblem& problem,
                      const AttentionTactic& tactic, const AttentionRun& run);

}  // namespace octet::cuda
