#pragma once

#include <cstdint>
#include <span>

#include "cpu/packing.h"
#include "tensor/codecs.h"
#include "tensor/tensor.h"

namespace octet::cpu {

/// One float per column of a packed matrix, padded with zeros to whole panels, aligned to 64.
class ColumnVector {
 public:
  explicit ColumnVector(int64_t columns)
      : tensor_(DType::f32, {(columns + kPanelColumns - 1) / kPanelColumns * kPanelColumns}) {}

  [[nodiscard]] const float* data() const { return tensor_.values<float>().data(); }
  [[nodiscard]] std::span<float> values() { return tensor_.mutable_values<float>(); }

 private:
  Tensor tensor_;
};

/// From a constant of one element or `columns` elements, or from `fallback` when it is null.
inline ColumnVector column_vector(const Tensor* constant, int64_t columns, float fallback) {
  ColumnVector result(columns);
  for (int64_t column = 0; column < columns; ++column) {
    const int64_t index = constant != nullptr && constant->count() > 1 ? column : 0;
    result.values()[static_cast<size_t>(column)] =
        constant == nullptr ? fallback : element_as_f32(*constant, index);
  }
  return result;
}

/// The same value in every column.
inline ColumnVector column_vector(int64_t columns, float value) {
  return column_vector(nullptr, columns, value);
}

}  // namespace octet::cpu
