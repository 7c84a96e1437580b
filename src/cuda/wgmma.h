#pragma once

#include <string>

namespace octet::cuda {

enum class WgmmaOperand { e4m3, f16 };

/// One form of Hopper's warpgroup matrix instruction, m64 x n x 32 bytes of K, FP32 sums.
struct WgmmaForm {
  int n = 128;  ///< columns, a multiple of 8 up to 256
  WgmmaOperand operand = WgmmaOperand::e4m3;
  bool a_in_registers = false;  ///< otherwise A, like B always, is in shared memory
  bool b_transposed = false;    ///< B stored with its columns innermost; f16 only
  bool a_transposed = false;    ///< A stored with its rows innermost; f16 in shared memory only
};

/// The text of a device function, overloaded by the size of `d` and the kind of `a`:
///
///   wgmma_e4m3(float (&d)[n / 2], uint64_t a, uint64_t b, bool accumulate)
///   wgmma_f16(float (&d)[n / 2], const uint32_t (&a)[4], uint64_t b, bool accumulate)
///
/// `wgmma_f16_transposed_b` where B is transposed, `wgmma_f16_transposed_a` where A is.
/// `accumulate` false sets `d` instead of adding to it; a and b are descriptors (kernels/sm90.cuh).
/// Lane 4r + t of warp w holds in d[4j + 2h + e] row 16w + r + 8h, column 8j + 2t + e.
std::string wgmma_text(const WgmmaForm& form);

}  // namespace octet::cuda
