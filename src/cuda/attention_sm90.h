#pragma once

#include "cuda/attention.h"

// Hopper's attention kernels (kernels/attention_sm90.cu): what cuda/attention.h needs of them.
namespace octet::cuda {

/// Why they do not compute the problem, in words; empty when they do.
std::string refusal_sm90(const AttentionProblem& problem);

std::vector<AttentionTactic> candidates_sm90(const AttentionProblem& problem,
                                             const DeviceProperties& device);
KernelSource source_sm90(const AttentionProblem& problem, const AttentionTactic& tactic);
void launch_sm90(CUstream stream, const Function& function, const AttentionProblem& problem,
                 const AttentionTactic& tactic, const AttentionOperands& operands,
                 const AttentionScales& scales, int64_t batch);

}  // namespace octet::cuda
