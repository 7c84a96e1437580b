#include "tensor/codecs.h"

#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace octet {
namespace {

constexpr uint32_t kSignMask = 0x80000000U;

/// Rounds `value` (bits, positive) right by `shift` bits to nearest even.
constexpr uint32_t shift_rne(uint32_t value, uint32_t shift) {
  const uint32_t half = 1U << (shift - 1);
  const uint32_t odd = (value >> shift) & 1U;
  return (value + half - 1U + odd) >> shift;
}

float decode_e4m3(uint8_t code) {
  const float sign = (code & 0x80) != 0 ? -1.0F : 1.0F;
  const int exponent = (code >> 3) & 15;
  const int mantissa = code & 7;
  if (exponent == 15 && mantissa == 7) return sign * std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -9);
  return sign * std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
}

const std::array<float, 256>& e4m3_table() {
  static const std::array<float, 256> table = [] {
    std::array<float, 256> values{};
    for (size_t code = 0; code < values.size(); ++code) {
      values[code] = decode_e4m3(static_cast<uint8_t>(code));
    }
    return values;
  }();
  return table;
}

}  // namespace

float f16_to_f32(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000U} << 16;
  const uint32_t exponent = (bits >> 10) & 31U;
  const uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13));
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (mantissa << 13));
  }
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits & kSignMask) >> 16);
  const uint32_t magnitude = bits & ~kSignMask;
  if (magnitude > 0x7F800000U) return sign | 0x7E00U;
  if (magnitude >= 0x477FF000U) return sign | 0x7C00U;  // rounds to 65536 or beyond
  if (magnitude >= 0x38800000U) {                       // normal: 2^-14 and above
    return static_cast<uint16_t>(sign | (shift_rne(magnitude, 13) - (112U << 10)));
  }
  // Subnormal: adding 0.5 puts the unit of the last place at 2^-24, so the hardware rounds.
  const float aligned = std::bit_cast<float>(magnitude) + 0.5F;
  return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(aligned) - 0x3F000000U));
}

uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & ~kSignMask) > 0x7F800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>(shift_rne(bits, 16));
}

float e4m3_to_f32(uint8_t code) {
  return e4m3_table()[code];
}

uint8_t f32_to_e4m3(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint8_t>((bits & kSignMask) >> 24);
  const uint32_t magnitude = bits & ~kSignMask;
  if (magnitude > 0x7F800000U) return 0x7F;
  if (magnitude >= 0x43E00000U) return sign | 0x7EU;  // 448 and beyond
  if (magnitude >= 0x3C800000U) {                     // normal: 2^-6 and above
    return static_cast<uint8_t>(sign | (shift_rne(magnitude, 20) - (120U << 3)));
  }
  // Subnormal: adding 2^14 puts the unit of the last place at 2^-9, so the hardware rounds.
  const float aligned = std::bit_cast<float>(magnitude) + 0x1p14F;
  return static_cast<uint8_t>(sign | (std::bit_cast<uint32_t>(aligned) - 0x46800000U));
}

float e5m2_to_f32(uint8_t code) {
  return f16_to_f32(static_cast<uint16_t>(code << 8));
}

float scale_from_amax(float amax) {
  constexpr float kTiny = 0x1p-24F;
  return (amax <= kTiny ? 1.0F : amax) / kE4M3Max;
}

float round_scale_up_to_f16(float scale) {
  uint16_t bits = f32_to_f16(scale);
  if (f16_to_f32(bits) < scale) ++bits;
  const float rounded = f16_to_f32(bits);
  if (!std::isfinite(rounded) || rounded <= 0.0F) {
    fail(ErrorCode::failed, "scale {} has no FP16 value; the tensor's range is too large", scale);
  }
  return rounded;
}

}  // namespace octet
