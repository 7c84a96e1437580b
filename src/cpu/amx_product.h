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
///   ask<L>(line)              fetches a cache line into the cache of level L
///   dot<C, A, B>()            C[m][n] += sum over 16 pairs of A[m][pair] * B[pair][n]
///   release()
/// Registers 0..3 are the sums of 2 x 2 tiles, 4 and 5 rows, 6 and 7 the halves of a panel.
///
/// A pair of tiles of rows (32 KiB for a depth of 512) stays in the first-level cache while panels
/// pass by it. The loads of a block begin between the last products of the one before.
template <typename Tiles>
class TileProduct {
 public:
  explicit TileProduct(const BlockProduct& block) : block_(block) {}

  void run() const {
    if (block_.depth == 0) return multiply_nothing();
    const int64_t pairs = block_.row_count / kPairRows;
    const int64_t rest = block_.row_count % kPairRows;
    if (pairs > 0) multiply_rows<true>(0, pairs, kTileRows, kTileRows);
    if (rest > kTileRows) {
      multiply_rows<true>(pairs * kPairRows, 1, kTileRows, rest - kTileRows);
    } else if (rest > 0) {
      multiply_rows<false>(pairs * kPairRows, 1, rest, kTileRows);
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

  /// One or two tiles of rows, a panel, where their sums are, and what is asked for meanwhile.
  struct Operands {
    const std::byte* rows;
    const std::byte* panel;
    float* sums;
    const std::byte* ahead;
  };

  /// `pairs` pairs of tiles of `upper` and `lower` rows, from row `first_row` on, times every
  /// panel. Without `Lower` there are upper tiles alone.
  template <bool Lower>
  void multiply_rows(int64_t first_row, int64_t pairs, int64_t upper, int64_t lower) const {
    Tiles::configure(upper, lower);
    Operands now = operands(first_row, 0);
    begin_sums<Lower>(now.sums);
    load<Lower>(now);
    for (int64_t index = 1; index < pairs * block_.panel_count; ++index) {
      const int64_t row = first_row + index / block_.panel_count * kPairRows;
      const Operands next = operands(row, index % block_.panel_count);
      multiply_most<Lower>(now, next.sums);
      multiply_and_load<Lower>(next.rows, next.panel);
      change_sums<Lower>(now.sums, next.sums);
      now = next;
    }
    multiply_most<Lower>(now, now.sums);
    multiply<Lower>();
    end_sums<Lower>(now.sums);
  }

  [[nodiscard]] Operands operands(int64_t row, int64_t panel) const {
    // Each pair of tiles of rows asks for another part.
    const int64_t part = row / kPairRows * (block_.depth / kTileDepth - 1) * kBytesAsked;
    return {block_.rows + row * block_.row_stride, block_.panels + panel * block_.panel_stride,
            block_.sums + panel * block_.sums_stride + row * kPanelColumns,
            block_.ahead == nullptr ? nullptr : block_.ahead + panel * block_.ahead_stride + part};
  }

  /// All steps but the last one, which is left loaded. On the way asks for the sums that come next
  /// and for codes that will be decoded: both come while tiles multiply, not while vectors wait.
  template <bool Lower>
  void multiply_most(const Operands& now, const float* next_sums) const {
    const int64_t steps = block_.depth / kTileDepth;
    for (int64_t step = 1; step < steps; ++step) {
      const int64_t k = step * kTileDepth;
      if (step <= kPairRows / kRowsAsked) {
        ask_for<1>(next_sums + (step - 1) * kRowsAsked * kPanelColumns, kRowsAsked * kSumStride);
      }
      if (now.ahead != nullptr) ask_for<2>(now.ahead + (step - 1) * kBytesAsked, kBytesAsked);
      multiply_and_load<Lower>(now.rows + 2 * k, now.panel + k / 2 * kPairStride);
    }
  }

  // In each step.
  static constexpr int64_t kRowsAsked = 2;
  static constexpr int64_t kBytesAsked = 128;

  /// Into the cache of a level, 1 or 2.
  template <int Level>
  static void ask_for(const void* memory, int64_t bytes) {
    for (int64_t byte = 0; byte < bytes; byte += 64) {
      Tiles::template ask<Level>(static_cast<const std::byte*>(memory) + byte);
    }
  }

  template <bool Lower>
  void load(const Operands& from) const {
    Tiles::template load<4>(from.rows, block_.row_stride);
    if constexpr (Lower) Tiles::template load<5>(from.rows + lower_rows(), block_.row_stride);
    Tiles::template stream<6>(from.panel, kPairStride);
    Tiles::template stream<7>(from.panel + kTileBytes, kPairStride);
  }

  template <bool Lower>
  void multiply() const {
    Tiles::template dot<0, 4, 6>();
    if constexpr (Lower) Tiles::template dot<2, 5, 6>();
    Tiles::template dot<1, 4, 7>();
    if constexpr (Lower) Tiles::template dot<3, 5, 7>();
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

  template <int T>
  void begin(const float* sums) const {
    if (block_.accumulate) {
      Tiles::template load<T>(sums + offset_of(T), kSumStride);
    } else {
      Tiles::template zero<T>();
    }
  }

  template <int T>
  void end(float* sums) const {
    Tiles::template store<T>(sums + offset_of(T), kSumStride);
  }

  /// Of the tile of sums in register `tile`.
  static constexpr int64_t offset_of(int tile) {
    const int64_t column = tile % 2 == 0 ? 0 : 16;
    return tile / 2 * kTileRows * kPanelColumns + column;
  }

  template <bool Lower>
  void begin_sums(const float* sums) const {
    begin<0>(sums);
    if constexpr (Lower) begin<2>(sums);
    begin<1>(sums);
    if constexpr (Lower) begin<3>(sums);
  }

  template <bool Lower>
  void end_sums(float* sums) const {
    end<0>(sums);
    if constexpr (Lower) end<2>(sums);
    end<1>(sums);
    if constexpr (Lower) end<3>(sums);
  }

  /// Each in the order in which the products end.
  template <bool Lower>
  void change_sums(float* from, const float* to) const {
    end<0>(from);
    begin<0>(to);
    if constexpr (Lower) end<2>(from);
    if constexpr (Lower) begin<2>(to);
    end<1>(from);
    begin<1>(to);
    if constexpr (Lower) end<3>(from);
    if constexpr (Lower) begin<3>(to);
  }

  /// Sums of no products.
  void multiply_nothing() const {
    for (int64_t panel = 0; !block_.accumulate && panel < block_.panel_count; ++panel) {
      std::fill_n(block_.sums + panel * block_.sums_stride, block_.row_count * kPanelColumns, 0.0F);
    }
  }

  const BlockProduct& block_;
};

}  // namespace
}  // namespace octet::cpu
