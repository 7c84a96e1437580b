#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "cuda/attention.h"

// What the hosts of Hopper's two attention kernels share: what kernels/attention_sm90.cuh takes.
namespace octet::cuda {

/// kernels/NAME.cu and its kernel NAME, with the generated `instructions` and the numbers of its
/// layout in shared memory.
KernelSource sm90_source(const std::string& name, const AttentionProblem& problem,
                         const AttentionTactic& tactic, std::string instructions,
                         std::initializer_list<std::pair<const char*, int>> layout);

/// What both kernels' `Parameters` begin with.
struct Sm90Parameters {
  void* y;
  int items;
  float score_factor;
  float inverse_softmax_scale;
  float y_factor;

  Sm90Parameters(const AttentionProblem& problem, const AttentionRun& run);
};

}  // namespace octet::cuda
