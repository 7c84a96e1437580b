#include "cpu/fast_kernels.h"

#include <array>

namespace octet::cpu {

std::span<const KernelEntry> fast_kernels() {
  static const std::array kernels{
      linear_packed(),      patch_embedding(),   attention_blocked(), layer_norm_fused(),
      layer_norm_rows(),    quick_gelu_vector(), gelu_vector(),       sigmoid_vector(),
      add_vector(),         quantize_vector(),   dequantize_vector(), cast_vector(),
      fake_quantize_rows(), embedding_rows(),    pool_last(),
  };
  return kernels;
}

}  // namespace octet::cpu
