#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/tensor.h"

namespace octet::cpu {

// The one layout of packed weights, read by every matrix kernel set, so a plan never depends on the
// machine that made it.
//
// A weight matrix [depth K, columns N] becomes a 64-byte header and ceil(N / 32) panels of 32
// columns, one after the other; columns beyond N are zero. Inside a panel:
//   f32                     [K][32]
//   f16, bf16, f8e4m3       [ceil(K / 2)][32][2]: pairs of neighbours along K stand together, as
//                           dot-product instructions want them; a missing last partner is zero.
// Panels start at multiples of 64 bytes.

inline constexpr int64_t kPanelColumns = 32;
/// Raised with every change of the layout.
inline constexpr uint32_t kPackingVersion = 1;

/// A packed matrix in memory that someone else keeps alive.
struct PackedMatrix {
  DType dtype = DType::f32;
  int64_t depth = 0;    ///< K
  int64_t columns = 0;  ///< N
  const std::byte* panels = nullptr;

  [[nodiscard]] int64_t panel_count() const {
    return (columns + kPanelColumns - 1) / kPanelColumns;
  }
  /// Bytes of the first `rows` rows of a panel; `rows` is even or the whole depth.
  [[nodiscard]] int64_t slice_bytes(int64_t rows) const {
    const int64_t whole = dtype == DType::f32 ? rows : (rows + 1) / 2 * 2;
    return whole * kPanelColumns * static_cast<int64_t>(size_of(dtype));
  }
  /// Panel `index` from row `row` (even) on.
  [[nodiscard]] const std::byte* panel(int64_t index, int64_t row = 0) const {
    return panels + index * slice_bytes(depth) + slice_bytes(row);
  }
};

/// Packs [K, N] of f32, f16, bf16 or f8e4m3 (logic_error for others). The result is a u8 vector.
Tensor pack_matrix(const Tensor& matrix);

/// Views what `pack_matrix` made. Throws `Error(bad_input)` when the bytes are not of this version.
PackedMatrix view_packed(const Tensor& packed);

}  // namespace octet::cpu
