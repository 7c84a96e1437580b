#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/matrix.h"
#include "cpu/packing.h"

namespace octet::cpu {
namespace {

/// Product of a block on tile registers of 16 rows of 64 bytes. `Tiles` is the hardware's (or, in
/// tests, an emulation's) set of eight registers:
///   configure(upper, lower)   rows of registers 0, 1, 4 (upper) and 2, 3, 5 (lower); 6, 7 have 16
///   zero<T>(), load<T>(from, stride), store<T>(to, stride)
///   dot<C, A, B>()            C[m][n] += sum over 16 pairs of A[m][pair] * B[pair][n]
///   release()
/// Registers 0..3 are the sums of 2 x 2 tiles, 4 and 5 rows, 6 and 7 the halves of a panel.
template <typename Tiles>
class TileProduct {
 public:
  explicit TileProduct(const BlockProduct& block) : block_(block) {}

  void run() const {
    int64_t row = 0;
    if (block_.row_count >= 2 * kTileRows) Tiles::configure(kTileRows, kTileRows);
    for (; row + 2 * kTileRows <= block_.row_count; row += 2 * kTileRows) multiply_rows<true>(row);
    const int64_t rest = block_.row_count - row;
    if (rest > kTileRows) {
      Tiles::configure(kTileRows, rest - kTileRows);
      multiply_rows<true>(row);
    } else if (rest > 0) {
      Tiles::configure(rest, kTileRows);
      multiply_rows<false>(row);
    }
    Tiles::release();
  }

 private:
  static constexpr int64_t kTileRows = 16;
  static constexpr int64_t kTileDepth = 32;
  static constexpr int64_t kSumStride = kPanelColumns * int64_t{sizeof(float)};
  static constexpr int64_t kPairStride = kPanelColumns * 4;  ///< bytes of a row of pairs

  template <bool Lower>
  void multiply_rows(int64_t row) const {
    const std::byte* upper = block_.rows + row * block_.row_stride;
    const std::byte* lower = upper + kTileRows * block_.row_stride;
    for (int64_t panel = 0; panel < block_.panel_count; ++panel) {
      float* sums = block_.sums + panel * block_.sums_stride + row * kPanelColumns;
      begin<Lower>(sums);
      const std::byte* b = block_.panels + panel * block_.panel_stride;
      for (int64_t k = 0; k < block_.depth; k += kTileDepth) {
        step<Lower>(upper + 2 * k, lower + 2 * k, b + k / 2 * kPairStride);
      }
      end<Lower>(sums);
    }
  }

  template <bool Lower>
  void step(const std::byte* upper, const std::byte* lower, const std::byte* b) const {
    Tiles::template load<4>(upper, block_.row_stride);
    Tiles::template load<6>(b, kPairStride);
    Tiles::template dot<0, 4, 6>();
    Tiles::template load<7>(b + 64, kPairStride);
    Tiles::template dot<1, 4, 7>();
    if constexpr (Lower) {
      Tiles::template load<5>(lower, block_.row_stride);
      Tiles::template dot<2, 5, 6>();
      Tiles::template dot<3, 5, 7>();
    }
  }

  template <bool Lower>
  void begin(const float* sums) const {
    if (!block_.accumulate) {
      Tiles::template zero<0>();
      Tiles::template zero<1>();
      if constexpr (Lower) Tiles::template zero<2>();
      if constexpr (Lower) Tiles::template zero<3>();
      return;
    }
    Tiles::template load<0>(sums, kSumStride);
    Tiles::template load<1>(sums + 16, kSumStride);
    if constexpr (Lower) Tiles::template load<2>(sums + kTileRows * kPanelColumns, kSumStride);
    if constexpr (Lower) Tiles::template load<3>(sums + kTileRows * kPanelColumns + 16, kSumStride);
  }

  template <bool Lower>
  void end(float* sums) const {
    Tiles::template store<0>(sums, kSumStride);
    Tiles::template store<1>(sums + 16, kSumStride);
    if constexpr (Lower) Tiles::template store<2>(sums + kTileRows * kPanelColumns, kSumStride);
    if constexpr (Lower)
      Tiles::template store<3>(sums + kTileRows * kPanelColumns + 16, kSumStride);
  }

  const BlockProduct& block_;
};

}  // namespace
}  // namespace octet::cpu
