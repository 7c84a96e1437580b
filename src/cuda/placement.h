#pragma once

#include "cuda/driver.h"
#include "tensor/tensor.h"

namespace octet::cuda {

/// A copy of the tensor in device memory, which lives as long as a copy of the result does. Its
/// bytes must not be touched by the host.
Tensor to_device(const Device& device, const Tensor& tensor);

}  // namespace octet::cuda
