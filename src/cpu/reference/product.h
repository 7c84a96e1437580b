#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "cpu/reference/rows.h"

namespace octet::cpu::reference {

/// Extents of y[m, n] = sum over k of a[m, k] * b[k, n].
struct ProductShape {
  int64_t m = 0;
  int64_t k = 0;
  int64_t n = 0;
};

/// Rows that share each row of b while it is in the cache: what one task of a product computes.
inline constexpr int64_t kRowBlock = 8;

/// Dense row-major product in FP32, summed over k in ascending order; overwrites y. Threads share
/// the rows.
void multiply(const ProductShape& shape, const float* a, const float* b, float* y);

/// The same for rows [begin, end) of y, on the calling thread.
void multiply_rows(const ProductShape& shape, const float* a, const float* b, float* y,
                   int64_t begin, int64_t end);

/// Where the patches of an image lie: Conv's window, or a patch embedding's.
struct PatchGrid {
  std::array<int64_t, 2> kernel{};
  std::array<int64_t, 2> stride{};
  std::array<int64_t, 2> pad_before{};
  std::array<int64_t, 2> extent{};  ///< patches along height and width

  [[nodiscard]] int64_t count() const { return extent[0] * extent[1]; }
};

/// Patches of image `index` of [b, C, H, W], row by row: target [grid.count(), C * kernel], each in
/// channel, row, column order, zero outside the image.
void gather_patches(const Operand& images, int64_t index, const PatchGrid& grid,
                    std::span<float> target);

}  // namespace octet::cpu::reference
