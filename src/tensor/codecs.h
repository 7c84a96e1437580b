#pragma once

#include <bit>
#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace octet {

// Conversions between float and the narrow formats. Every one rounds to nearest even. These are
// the meaning of the formats: every faster path must agree with them to the bit.

float f16_to_f32(uint16_t bits);
/// Overflow becomes infinity (IEEE); NaN stays NaN.
uint16_t f32_to_f16(float value);

/// The value that FP16 holds for it.
inline float round_to_f16(float value) {
  return f16_to_f32(f32_to_f16(value));
}

inline float bf16_to_f32(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}
uint16_t f32_to_bf16(float value);

/// Largest finite E4M3 value.
inline constexpr float kE4M3Max = 448.0F;
float e4m3_to_f32(uint8_t code);
/// Saturating: beyond ±448 and ±infinity give ±448; NaN gives 0x7F.
uint8_t f32_to_e4m3(float value);

float e5m2_to_f32(uint8_t code);

/// The scale of a tensor whose largest magnitude is `amax`: amax / 448 in FP32;
/// amax <= 2^-24 counts as 1.
float scale_from_amax(float amax);
/// The smallest FP16 value that is not below `scale` (subnormal ones included). Throws
/// `Error(failed)` when it does not fit.
float round_scale_up_to_f16(float scale);

/// E4M3 code of value / scale.
inline uint8_t quantize_e4m3(float value, float scale) {
  return f32_to_e4m3(value / scale);
}

/// One element of any floating dtype as float.
float element_as_f32(const Tensor& tensor, int64_t index);

/// The tensor in another dtype, rounded to nearest even (E4M3 saturating). Integers and bool
/// convert by value, exactly among themselves (narrower types keep the low bits); floats become
/// integers toward zero, saturating. f64 passes through f32; f8e5m2 is only read. Returns the same
/// bytes when the dtype is already right.
Tensor convert(const Tensor& tensor, DType dtype);

/// Values of any floating dtype as floats, appended storage owned by the caller.
/// `target.size()` must be the count of `source` elements.
void convert_to_f32(DType dtype, std::span<const std::byte> source, std::span<float> target);
void convert_from_f32(DType dtype, std::span<const float> source, std::span<std::byte> target);

}  // namespace octet
