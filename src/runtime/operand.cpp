#include <algorithm>

#include "base/error.h"
#include "runtime/backend.h"

namespace octet::runtime {

std::byte* operand_data(const Tensor& tensor) {
  // Operands of kernels have one pointer for what is read and what is written.
  return const_cast<std::byte*>(  // NOLINT(cppcoreguidelines-pro-type-const-cast)
      tensor.bytes().data());
}

Operand view_of(const Tensor& tensor) {
  check(tensor.rank() <= kMaxRank, "a tensor of rank {}", tensor.rank());
  Operand operand;
  operand.dtype = tensor.dtype();
  operand.rank = tensor.rank();
  std::ranges::copy(tensor.shape(), operand.extents.begin());
  operand.data = operand_data(tensor);
  return operand;
}

}  // namespace octet::runtime
