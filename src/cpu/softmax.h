#pragma once

#include <cstddef>
#include <cstdint>

namespace octet::cpu {

/// Scores of some rows of one attention head, as matrix kernels leave them, and where their
/// probabilities go.
struct SoftmaxBlock {
  float* scores = nullptr;  ///< [panels][rows][32], panels `panel_stride` floats apart; scratch
  int64_t panel_stride = 0;
  int64_t rows = 0;
  int64_t keys = 0;          ///< that row 0 attends to
  int64_t more_keys = 0;     ///< that each next row attends to in addition: 0, or 1 when causal
  float factor = 1.0F;       ///< multiplies scores
  float quantum = 0.0F;      ///< scale of E4M3 probabilities; 0: not quantized
  std::byte* out = nullptr;  ///< [rows][width], rows `out_stride` bytes apart
  int64_t out_stride = 0;
  int64_t width = 0;       ///< elements of a row of `out`; zeros beyond the row's keys
  bool f16_steps = false;  ///< scores and probabilities are rounded to FP16
  bool out_bf16 = false;   ///< bf16 (quantized only) instead of f32
};

/// Probabilities of every row: exponentials of score minus the row's largest, over their sum, in
/// FP32. Quantized ones are the E4M3 value nearest to probability / quantum, to be multiplied by
/// `quantum` later.
void softmax_rows(const SoftmaxBlock& block);

}  // namespace octet::cpu
