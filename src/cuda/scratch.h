#pragma once

#include <memory>

#include "cuda/driver.h"

namespace octet::cuda {

/// Device memory for timing a kernel: random numbers of the dtype, bell-shaped around zero as real
/// activations are, because the card's clock depends on the data. f8e4m3, f16 or f32.
std::shared_ptr<std::byte> random_device_memory(const Device& device, DType dtype, size_t bytes);

}  // namespace octet::cuda
