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
///   stream<T>(from, stride)   a load that leaves the first-level cache to others
///   dot<C, A, B>()            C[m][n] += sum over 16 pairs of A[m][pair] * B[pair][n]
///   release()
/// Registers 0..3 are the sums of 2 x 2 tiles, 4 and 5 rows, 6 and 7 the halves of a panel.
///
/// A pair of tiles of rows (32 KiB for a depth of 512) stays in the first-level cache while panels
/// pass by it.
template <typename Tiles>
class TileProduct {
 public:
  explicit TileProduct(const BlockProduct& block) : block_(block) {}

  void run() const {
    int64_t row = 0;
    if (block_.row_count >= kPairRows) Tiles::configure(kTileRows, kTileRows);
    for (; row + kPairRows <= block_.row_count; row += kPairRows) multiply_rows<true>(row);
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
  static constexpr int64_t kPairRows = 2 * kTileRows;
  static constexpr int64_t kTileDepth = 32;
  static constexpr int64_t kTileBytes = 64;  ///< of a row of a tile
  static constexpr int64_t kSumStride = kPanelColumns * int64_t{sizeof(float)};
  static constexpr int64_t kPairStride = kPanelColumns * 4;  ///< bytes of a row of pairs

  template <bool Lower>
  void multiply_rows(int64_t row) const {
    for (int64_t panel = 0; panel < block_.panel_count; ++panel) {
      float* sums = block_.sums + panel * block_.sums_stride + row * kPanelColumns;
      begin<Lower>(sums);
      multiply_panel<Lower>(row, panel);
      end<Lower>(sums);
    }
  }

  template <bool Lower>
  void multiply_panel(int64_t row, int64_t panel) const {
    const std::byte* rows = block_.rows + row * block_.row_stride;
    const std::byte* b = block_.panels + panel * block_.panel_stride;
    if (block_.depth == 0) return;
    load<Lower>(rows, b);
    for (int64_t k = kTileDepth; k < block_.depth; k += kTileDepth) {
      multiply_and_load<Lower>(rows + 2 * k, b + k / 2 * kPairStride);
    }
    Tiles::template dot<0, 4, 6>();
    Tiles::template dot<1, 4, 7>();
    if constexpr (Lower) Tiles::template dot<2, 5, 6>();
    if constexpr (Lower) Tiles::template dot<3, 5, 7>();
  }

  template <bool Lower>
  void load(const std::byte* rows, const std::byte* b) const {
    Tiles::template load<4>(rows, block_.row_stride);
    if constexpr (Lower) Tiles::template load<5>(rows + lower_rows(), block_.row_stride);
    Tiles::template stream<6>(b, kPairStride);
    Tiles::template stream<7>(b + kTileBytes, kPairStride);
  }

  /// Multiplies what is loaded and loads the next step, each tile as soon as the last product that
  /// reads its register has begun.
  template <bool Lower>
  void multiply_and_load(const std::byte* rows, const std::byte* b) const {
    Tiles::template dot<0, 4, 6>();
    if constexpr (Lower) Tiles::template dot<2, 5, 6>();
    Tiles::template stream<6>(b, kPairStride);
    Tiles::template dot<1, 4, 7>();
    Tiles::template load<4>(rows, block_.row_stride);
    if constexpr (Lower) Tiles::template dot<3, 5, 7>();
    if constexpr (Lower) Tiles::template load<5>(rows + lower_rows(), block_.row_stride);
    Tiles::template stream<7>(b + kTileBytes, kPairStride);
  }

  /// Bytes from the upper tile of rows to the lower one.
  [[nodiscard]] int64_t lower_rows() const { return kTileRows * block_.row_stride; }

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
