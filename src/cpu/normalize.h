#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace octet::cpu {

/// Layer normalisation of rows. Statistics in FP32: the mean, then the centred variance.
struct Normalization {
  int64_t width = 0;
  float epsilon = 1e-5F;
  const float* gamma = nullptr;  ///< [width up to a multiple of 32], aligned to 64
  const float* beta = nullptr;   ///< likewise; zeros where there is none
  DType in_dtype = DType::f32;   ///< f32 or f16
  DType out_dtype = DType::f32;  ///< f32, f16 or f8e4m3
  float out_scale = 1.0F;        ///< of E4M3 output: code of y / out_scale
  bool f16_steps = false;        ///< y is rounded to FP16 before it is quantized
};

/// Normalises `count` dense rows on one thread.
void normalize_rows(const Normalization& norm, const std::byte* x, int64_t count, std::byte* y);

}  // namespace octet::cpu
