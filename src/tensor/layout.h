#pragma once

#include "tensor/tensor.h"

namespace octet {

/// [rows, columns] → [columns, rows], any dtype. Multi-threaded for large tensors.
Tensor transpose_2d(const Tensor& tensor);

/// Are all elements finite? Integers are.
bool all_finite(const Tensor& tensor);

}  // namespace octet
