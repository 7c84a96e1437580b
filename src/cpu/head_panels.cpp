#include "cpu/head_panels.h"

#include <algorithm>
#include <cstring>

#include "cpu/packing.h"

namespace octet::cpu {
namespace {

int64_t round_up(int64_t a, int64_t b) {
  return (a + b - 1) / b * b;
}

/// Elements of K that share one 32-bit unit of a panel: 1 (f32) or 2 (bf16).
int64_t partners_of(const DotKernels& kernels) {
  return int64_t{sizeof(uint32_t)} / kernels.element_bytes;
}

HeadRows slice(const HeadRows& rows, int64_t begin, int64_t count) {
  HeadRows result = rows;
  result.data += begin * rows.stride;
  result.count = count;
  return result;
}

}  // namespace

int64_t decoded_panel_bytes(const DotKernels& kernels, int64_t depth) {
  return round_up(depth, kernels.depth_multiple) * kPanelColumns * kernels.element_bytes;
}

void decode_head_rows(const DotKernels& kernels, const HeadRows& rows, std::byte* target,
                      int64_t target_stride) {
  const int64_t used = rows.dim * kernels.element_bytes;
  const int64_t padded = round_up(rows.dim, kernels.depth_multiple) * kernels.element_bytes;
  for (int64_t row = 0; row < rows.count; ++row) {
    std::byte* decoded = target + row * target_stride;
    kernels.decode_row(rows.dtype, rows.data + row * rows.stride, rows.dim, decoded);
    std::memset(decoded + used, 0, static_cast<size_t>(padded - used));
  }
}

void pack_keys(const DotKernels& kernels, const HeadRows& keys, std::byte* panels,
               std::byte* scratch, int64_t scratch_stride) {
  const int64_t units = decoded_panel_bytes(kernels, keys.dim) / kPanelColumns / 4;
  for (int64_t first = 0; first < keys.count; first += kPanelColumns) {
    const int64_t count = std::min(kPanelColumns, keys.count - first);
    decode_head_rows(kernels, slice(keys, first, count), scratch, scratch_stride);
    for (int64_t key = count; key < kPanelColumns; ++key) {
      std::memset(scratch + key * scratch_stride, 0, static_cast<size_t>(units) * 4);
    }
    auto* panel = reinterpret_cast<uint32_t*>(panels + first * units * 4);
    for (int64_t unit = 0; unit < units; ++unit) {
      for (int64_t key = 0; key < kPanelColumns; ++key) {
        std::memcpy(panel + unit * kPanelColumns + key, scratch + key * scratch_stride + unit * 4,
                    4);
      }
    }
  }
}

namespace {

/// Interleaves two rows of bf16 into one row of pairs, 32 columns.
void interleave(const std::byte* even, const std::byte* odd, int64_t width, std::byte* target) {
  const auto* low = reinterpret_cast<const uint16_t*>(even);
  const auto* high = reinterpret_cast<const uint16_t*>(odd);
  auto* pairs = reinterpret_cast<uint16_t*>(target);
  for (int64_t column = 0; column < width; ++column) {
    pairs[2 * column] = low[column];
    pairs[2 * column + 1] = high[column];
  }
  std::memset(pairs + 2 * width, 0, static_cast<size_t>(kPanelColumns - width) * 4);
}

void copy_row(const std::byte* row, int64_t width, std::byte* target) {
  std::memcpy(target, row, static_cast<size_t>(width) * 4);
  std::memset(target + width * 4, 0, static_cast<size_t>(kPanelColumns - width) * 4);
}

}  // namespace

void pack_values(const DotKernels& kernels, const HeadRows& values, std::byte* panels,
                 std::byte* scratch, int64_t scratch_stride) {
  const int64_t partners = partners_of(kernels);
  const int64_t panel_bytes = decoded_panel_bytes(kernels, values.count);
  const int64_t units = panel_bytes / kPanelColumns / 4;
  for (int64_t unit = 0; unit < units; ++unit) {
    const int64_t present = std::clamp<int64_t>(values.count - unit * partners, 0, partners);
    std::memset(scratch, 0, static_cast<size_t>(scratch_stride * partners));
    decode_head_rows(kernels, slice(values, unit * partners, present), scratch, scratch_stride);
    for (int64_t column = 0; column < values.dim; column += kPanelColumns) {
      const int64_t width = std::min(kPanelColumns, values.dim - column);
      const std::byte* row = scratch + column * kernels.element_bytes;
      std::byte* target = panels + column / kPanelColumns * panel_bytes + unit * kPanelColumns * 4;
      if (partners == 1) {
        copy_row(row, width, target);
      } else {
        interleave(row, row + scratch_stride, width, target);
      }
    }
  }
}

}  // namespace octet::cpu
