#include "tensor/codecs.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/expect_error.h"

namespace octet {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

/// Checks the rounding of a format at every boundary between neighbours: a float just below the
/// midpoint goes down, just above goes up, the midpoint itself to the even code. `finite` is the
/// number of positive finite codes, which count up from zero.
template <typename Code>
void expect_nearest_even(uint32_t finite, float (*decode)(Code), Code (*encode)(float)) {
  constexpr Code kSign = static_cast<Code>(1U << (8 * sizeof(Code) - 1));
  for (uint32_t code = 0; code + 1 < finite; ++code) {
    const auto low = static_cast<Code>(code);
    const auto high = static_cast<Code>(code + 1);
    const double middle = (double{decode(low)} + double{decode(high)}) / 2;
    const auto exact = static_cast<float>(middle);
    ASSERT_EQ(double{exact}, middle) << code;
    const Code even = code % 2 == 0 ? low : high;
    ASSERT_EQ(encode(exact), even) << code;
    ASSERT_EQ(encode(-exact), even | kSign) << code;
    ASSERT_EQ(encode(std::nextafter(exact, 0.0F)), low) << code;
    ASSERT_EQ(encode(std::nextafter(exact, kInfinity)), high) << code;
    ASSERT_EQ(encode(decode(low)), low) << code;
  }
}

float bf16_decode(uint16_t bits) {
  return bf16_to_f32(bits);
}

TEST(E4M3, AllCodesAreWhatTheFormatSays) {
  for (int code = 0; code < 256; ++code) {
    const int exponent = (code >> 3) & 15;
    const int mantissa = code & 7;
    const float sign = code < 128 ? 1.0F : -1.0F;
    const float value = e4m3_to_f32(static_cast<uint8_t>(code));
    if (exponent == 15 && mantissa == 7) {
      EXPECT_TRUE(std::isnan(value)) << code;
    } else if (exponent == 0) {
      EXPECT_EQ(value, sign * static_cast<float>(mantissa) / 512) << code;
    } else {
      EXPECT_EQ(value, sign * (1 + static_cast<float>(mantissa) / 8) * std::exp2(exponent - 7.0F));
    }
  }
}

TEST(E4M3, AllCodesRoundTrip) {
  for (int code = 0; code < 256; ++code) {
    const auto byte = static_cast<uint8_t>(code);
    const bool nan = (byte & 0x7F) == 0x7F;
    EXPECT_EQ(f32_to_e4m3(e4m3_to_f32(byte)), nan ? 0x7F : byte) << code;
  }
}

TEST(E4M3, RoundsToNearestEven) {
  expect_nearest_even<uint8_t>(0x7F, e4m3_to_f32, f32_to_e4m3);
  EXPECT_EQ(e4m3_to_f32(f32_to_e4m3(17)), 16);
  EXPECT_EQ(e4m3_to_f32(f32_to_e4m3(19)), 20);
  EXPECT_EQ(e4m3_to_f32(f32_to_e4m3(-17)), -16);
}

TEST(E4M3, Saturates) {
  for (const float value : {448.0F, 449.0F, 464.0F, 465.0F, 1e30F, kInfinity}) {
    EXPECT_EQ(f32_to_e4m3(value), 0x7E) << value;
    EXPECT_EQ(f32_to_e4m3(-value), 0xFE) << value;
  }
  EXPECT_EQ(f32_to_e4m3(kNan), 0x7F);
  EXPECT_EQ(f32_to_e4m3(-kNan), 0x7F);
}

TEST(E4M3, SmallValues) {
  EXPECT_EQ(f32_to_e4m3(0.0F), 0x00);
  EXPECT_EQ(f32_to_e4m3(-0.0F), 0x80);
  EXPECT_EQ(f32_to_e4m3(0x1p-9F), 0x01);   // the smallest
  EXPECT_EQ(f32_to_e4m3(0x1p-10F), 0x00);  // a tie with zero
  EXPECT_EQ(f32_to_e4m3(0x1.8p-9F), 0x02);
  EXPECT_EQ(f32_to_e4m3(0x1.cp-7F), 0x07);
  EXPECT_EQ(f32_to_e4m3(0x1p-6F), 0x08);  // the smallest normal one
  EXPECT_EQ(f32_to_e4m3(std::numeric_limits<float>::denorm_min()), 0x00);
}

TEST(F16, AllBitsRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = f16_to_f32(half);
    if ((half & 0x7FFFU) > 0x7C00U) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(f16_to_f32(f32_to_f16(value)))) << bits;
    } else {
      ASSERT_EQ(f32_to_f16(value), half) << bits;
    }
  }
}

TEST(F16, RoundsToNearestEven) {
  expect_nearest_even<uint16_t>(0x7C00, f16_to_f32, f32_to_f16);
}

TEST(F16, Ends) {
  EXPECT_EQ(f16_to_f32(0x0001), 0x1p-24F);
  EXPECT_EQ(f16_to_f32(0x7BFF), 65504);
  EXPECT_EQ(f16_to_f32(0x3C00), 1);
  EXPECT_EQ(f32_to_f16(std::nextafter(65520.0F, 0.0F)), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7C00);
  EXPECT_EQ(f32_to_f16(-kInfinity), 0xFC00);
  EXPECT_EQ(f32_to_f16(0x1p-25F), 0x0000);
  EXPECT_EQ(f32_to_f16(-0.0F), 0x8000);
}

TEST(Bf16, AllBitsRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = bf16_to_f32(half);
    if ((half & 0x7FFFU) > 0x7F80U) {
      ASSERT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(value)))) << bits;
    } else {
      ASSERT_EQ(f32_to_bf16(value), half) << bits;
    }
  }
}

TEST(Bf16, RoundsToNearestEven) {
  expect_nearest_even<uint16_t>(0x7F80, bf16_decode, f32_to_bf16);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7F80);
  // A NaN whose payload is only in the bits that are cut off must not become infinity.
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7F800001U)))));
}

TEST(E5M2, Decodes) {
  EXPECT_EQ(e5m2_to_f32(0x3C), 1);
  EXPECT_EQ(e5m2_to_f32(0x7B), 57344);
  EXPECT_EQ(e5m2_to_f32(0x01), 0x1p-16F);
  EXPECT_EQ(e5m2_to_f32(0xFC), -kInfinity);
  EXPECT_TRUE(std::isnan(e5m2_to_f32(0x7D)));
}

TEST(Scale, IsAmaxBy448) {
  EXPECT_EQ(scale_from_amax(448), 1);
  EXPECT_EQ(scale_from_amax(1), 1.0F / 448);
  EXPECT_EQ(scale_from_amax(0), 1.0F / 448);
  EXPECT_EQ(scale_from_amax(0x1p-24F), 1.0F / 448);
  EXPECT_EQ(scale_from_amax(0x1.000002p-24F), 0x1.000002p-24F / 448);
}

TEST(Scale, RoundsUpToF16) {
  EXPECT_EQ(round_scale_up_to_f16(1), 1);
  EXPECT_EQ(round_scale_up_to_f16(65504), 65504);
  EXPECT_EQ(round_scale_up_to_f16(1.0001F), f16_to_f32(0x3C01));
  EXPECT_EQ(round_scale_up_to_f16(std::nextafter(1.0F, 0.0F)), 1);
  EXPECT_EQ(round_scale_up_to_f16(1e-12F), 0x1p-24F);
  EXPECT_EQ(round_scale_up_to_f16(0x1.1p-24F), 0x1p-23F);
}

TEST(Scale, IsTheSmallestF16ThatIsNotBelow) {
  constexpr int kScales = 2163;  // up to 6e4
  for (int i = 0; i < kScales; ++i) {
    const auto scale = static_cast<float>(1e-8 * std::pow(1.0137, i));
    const float rounded = round_scale_up_to_f16(scale);
    const uint16_t bits = f32_to_f16(rounded);
    ASSERT_EQ(f16_to_f32(bits), rounded);
    ASSERT_GE(rounded, scale);
    ASSERT_LT(f16_to_f32(static_cast<uint16_t>(bits - 1)), scale);
  }
}

TEST(Scale, WithoutF16ValueIsAnError) {
  for (const float scale : {65505.0F, 1e30F, kInfinity, kNan, 0.0F, -1.0F}) {
    test::expect_error(ErrorCode::failed, {"no FP16 value"}, [&] { round_scale_up_to_f16(scale); });
  }
}

}  // namespace
}  // namespace octet
