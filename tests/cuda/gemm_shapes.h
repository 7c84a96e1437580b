#pragma once

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "cuda/gemm.h"

// The products that the tests of compilation and of results share.
namespace octet::cuda {

struct NamedProblem {
  std::string name;
  GemmProblem problem;
};

/// What GoogleTest calls it.
inline void PrintTo(const NamedProblem& named, std::ostream* out) {
  *out << named.name;
}

inline std::vector<NamedProblem> gemm_problems() {
  using enum GemmActivation;
  constexpr DType kE4M3 = DType::f8e4m3;
  constexpr DType kF16 = DType::f16;
  // operands, result, n, k, activation, residual, column scales, transposed from
  return {{"qkv", {kE4M3, kE4M3, 3072, 1024, none, false, true, 2048}},
          {"qkv_rows", {kE4M3, kE4M3, 3072, 1024, none, false, true, -1}},
          {"out_projection", {kE4M3, kF16, 1024, 1024, none, true, false, -1}},
          {"out_projection_channels", {kE4M3, kF16, 1024, 1024, none, true, true, -1}},
          {"fc1", {kE4M3, kE4M3, 4096, 1024, quick_gelu, false, false, -1}},
          {"fc1_channels", {kE4M3, kE4M3, 4096, 1024, quick_gelu, false, true, -1}},
          {"fc2", {kE4M3, kF16, 1024, 4096, none, true, false, -1}},
          {"fc2_channels", {kE4M3, kF16, 1024, 4096, none, true, true, -1}},
          {"text_qkv", {kE4M3, kE4M3, 2304, 768, none, false, true, 1536}},
          {"text_fc1", {kE4M3, kE4M3, 3072, 768, quick_gelu, false, true, -1}},
          {"text_fc2", {kE4M3, kF16, 768, 3072, none, true, false, -1}},
          {"tiny_qkv", {kE4M3, kE4M3, 768, 256, none, false, true, 512}},
          {"tiny_fc1", {kE4M3, kE4M3, 1024, 256, gelu, false, false, -1}},
          {"tiny_fc2", {kE4M3, kF16, 256, 1024, none, true, true, -1}},
          {"big_qkv", {kE4M3, kE4M3, 4992, 1664, none, false, true, 3328}},
          {"big_fc1", {kE4M3, kE4M3, 8192, 1664, gelu, false, true, -1}},
          {"wide_text_fc1", {kE4M3, kE4M3, 5120, 1280, gelu, false, true, -1}},
          {"siglip_fc1", {kE4M3, kE4M3, 4304, 1152, gelu_tanh, false, false, -1}},
          {"siglip_fc2", {kE4M3, kF16, 1152, 4304, none, true, false, -1}},
          {"patches", {kF16, kF16, 1024, 588, none, true, false, -1, 257}},
          {"projection", {kF16, DType::f32, 768, 1024, none, false, false, -1}},
          {"odd_columns", {kE4M3, kE4M3, 208, 304, none, true, false, -1}},
          {"f16_qkv", {kF16, kF16, 3072, 1024, none, false, true, -1}},
          {"f16_out_projection", {kF16, kF16, 1024, 1024, none, true, false, -1}},
          {"f16_fc1", {kF16, kF16, 4096, 1024, quick_gelu, false, false, -1}},
          {"f16_fc2", {kF16, kF16, 1024, 4096, none, true, false, -1}}};
}

/// Tactics of every family and tile that some number of rows makes worth timing, each once whatever
/// its stages.
inline std::vector<GemmTactic> every_tactic(const GemmProblem& problem,
                                            const DeviceProperties& device) {
  std::vector<GemmTactic> all;
  const auto same_kernel = [](const GemmTactic& a, const GemmTactic& b) {
    return a.kernel == b.kernel && a.columns == b.columns && a.consumers == b.consumers &&
           a.splits == b.splits;
  };
  for (const int64_t rows : {1, 77, 257, 2056, 9856, 32896}) {
    for (const GemmTactic& tactic : candidates(problem, rows, device)) {
      const auto like = [&](const GemmTactic& other) { return same_kernel(tactic, other); };
      if (std::ranges::none_of(all, like)) all.push_back(tactic);
    }
  }
  return all;
}

}  // namespace octet::cuda
