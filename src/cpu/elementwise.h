#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/epilogue.h"
#include "tensor/dtype.h"

namespace octet::cpu {

// Element-wise work on one thread; the callers cut the range. Values are computed in FP32 and
// rounded once. Dtypes are f32, f16 and, where it says so, f8e4m3.

/// y = activation(x); x and y have the same dtype, f32 or f16.
void activate_elements(Activation activation, DType dtype, const std::byte* x, int64_t count,
                       std::byte* y);

/// y = a + b, all f32 or all f16.
void add_elements(DType dtype, const std::byte* a, const std::byte* b, int64_t count, std::byte* y);

/// Between f32, f16 and f8e4m3: y = store(x * multiplier / divisor).
struct Conversion {
  DType from;
  DType to;
  float multiplier = 1.0F;
  float divisor = 1.0F;
};
void convert_elements(const Conversion& conversion, const std::byte* x, int64_t count,
                      std::byte* y);

/// Quantizes a row to E4M3 with the scale of its own largest magnitude, and back. f32 or f16.
void fake_quantize_row(DType dtype, const std::byte* x, int64_t count, std::byte* y);

}  // namespace octet::cpu
