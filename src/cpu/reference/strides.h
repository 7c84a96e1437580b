#pragma once

#include <array>
#include <span>

#include "cpu/reference/rows.h"

namespace octet::cpu::reference {

/// Elements from one index to the next along each axis.
using Strides = std::array<int64_t, runtime::kMaxRank>;

/// Strides of a dense row-major operand.
Strides dense_strides(const Operand& operand);
/// Strides that read `input` as if it had the extents of `output`: 0 along axes that broadcast.
Strides broadcast_strides(const Operand& input, const Operand& output);
/// Where element `index`, counted row-major in `extents`, lies under other strides.
int64_t offset_of(int64_t index, std::span<const int64_t> extents, const Strides& strides);

/// One side of a strided copy.
struct StridedView {
  std::byte* data = nullptr;
  Strides strides{};
};
/// Copies a box of elements of `element_size` bytes. Source and target must not overlap.
void copy_strided(const StridedView& target, const StridedView& source,
                  std::span<const int64_t> extents, size_t element_size);

/// Extents of an operand as a span.
inline std::span<const int64_t> extents_of(const Operand& operand) {
  return {operand.extents.data(), operand.rank};
}

}  // namespace octet::cpu::reference
