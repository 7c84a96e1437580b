#include "cpu/reference/strides.h"

#include <cstring>

namespace octet::cpu::reference {

Strides dense_strides(const Operand& operand) {
  Strides strides{};
  int64_t stride = 1;
  for (size_t axis = operand.rank; axis-- > 0;) {
    strides[axis] = stride;
    stride *= operand.extents[axis];
  }
  return strides;
}

Strides broadcast_strides(const Operand& input, const Operand& output) {
  const Strides dense = dense_strides(input);
  const size_t lead = output.rank - input.rank;
  Strides strides{};
  for (size_t axis = 0; axis < input.rank; ++axis) {
    const bool broadcasts = input.extents[axis] == 1 && output.extents[lead + axis] != 1;
    strides[lead + axis] = broadcasts ? 0 : dense[axis];
  }
  return strides;
}

int64_t offset_of(int64_t index, std::span<const int64_t> extents, const Strides& strides) {
  int64_t offset = 0;
  for (size_t axis = extents.size(); axis-- > 0;) {
    offset += index % extents[axis] * strides[axis];
    index /= extents[axis];
  }
  return offset;
}

void copy_strided(const StridedView& target, const StridedView& source,
                  std::span<const int64_t> extents, size_t element_size) {
  const auto size = static_cast<int64_t>(element_size);
  const auto outer = extents.first(extents.empty() ? 0 : extents.size() - 1);
  const int64_t width = extents.empty() ? 1 : extents.back();
  const int64_t target_step = extents.empty() ? 0 : target.strides[outer.size()];
  const int64_t source_step = extents.empty() ? 0 : source.strides[outer.size()];
  int64_t rows = 1;
  for (const int64_t extent : outer) rows *= extent;
  for_each_row(rows, width, [&](int64_t row) {
    std::byte* to = target.data + offset_of(row, outer, target.strides) * size;
    const std::byte* from = source.data + offset_of(row, outer, source.strides) * size;
    for (int64_t i = 0; i < width; ++i) {
      std::memcpy(to + i * target_step * size, from + i * source_step * size, element_size);
    }
  });
}

}  // namespace octet::cpu::reference
