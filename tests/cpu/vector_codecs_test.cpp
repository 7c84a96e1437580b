// Vector conversions agree with tensor/codecs.h to the bit, on every vector instruction set.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "cpu/elementwise.h"
#include "cpu/matrix.h"
#include "cpu/vector_targets.h"
#include "tensor/codecs.h"

namespace octet::cpu {
namespace {

class VectorCodecs : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { force_vector_target(GetParam()); }
  void TearDown() override { force_vector_target(""); }
};
INSTANTIATE_TEST_SUITE_P(Targets, VectorCodecs, ::testing::ValuesIn(vector_targets()),
                         [](const auto& instance) { return instance.param; });

/// Every sign, exponent and leading mantissa bits with low bits that sit on, beside and between
/// rounding boundaries of f16 and E4M3.
std::vector<float> f32_patterns() {
  std::vector<float> values;
  for (uint32_t high = 0; high <= 0xFFFF; ++high) {
    for (const uint32_t low : {0x0000U, 0x0001U, 0x0FFFU, 0x1000U, 0x1001U, 0x8000U, 0xFFFFU}) {
      values.push_back(std::bit_cast<float>((high << 16) | low));
    }
  }
  for (const float value : {463.99F, 464.0F, 464.01F, 65519.0F, 65520.0F, 0x1p-25F, 0x1.8p-10F}) {
    values.push_back(value);
    values.push_back(-value);
  }
  return values;
}

template <typename To, typename From>
std::vector<To> convert_all(DType from, const std::vector<From>& x, DType to) {
  std::vector<To> y(x.size());
  convert_elements({from, to}, reinterpret_cast<const std::byte*>(x.data()),
                   static_cast<int64_t>(x.size()), reinterpret_cast<std::byte*>(y.data()));
  return y;
}

std::vector<uint16_t> all_f16() {
  std::vector<uint16_t> values(0x10000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint16_t>(i);
  return values;
}

bool same(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

TEST_P(VectorCodecs, F32ToE4M3) {
  const auto x = f32_patterns();
  const auto y = convert_all<uint8_t>(DType::f32, x, DType::f8e4m3);
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(y[i], f32_to_e4m3(x[i])) << std::bit_cast<uint32_t>(x[i]);
  }
}

TEST_P(VectorCodecs, F16ToE4M3) {
  const auto x = all_f16();
  const auto y = convert_all<uint8_t>(DType::f16, x, DType::f8e4m3);
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i], f32_to_e4m3(f16_to_f32(x[i]))) << x[i];
}

TEST_P(VectorCodecs, F32ToF16) {
  const auto x = f32_patterns();
  const auto y = convert_all<uint16_t>(DType::f32, x, DType::f16);
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      ASSERT_TRUE(std::isnan(f16_to_f32(y[i])));
    } else {
      ASSERT_EQ(y[i], f32_to_f16(x[i])) << std::bit_cast<uint32_t>(x[i]);
    }
  }
}

TEST_P(VectorCodecs, F16ToF32) {
  const auto x = all_f16();
  const auto y = convert_all<float>(DType::f16, x, DType::f32);
  for (size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(same(y[i], f16_to_f32(x[i]))) << x[i];
}

std::vector<uint8_t> all_codes() {
  std::vector<uint8_t> codes(256);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i);
  return codes;
}

TEST_P(VectorCodecs, E4M3ToF32) {
  const auto y = convert_all<float>(DType::f8e4m3, all_codes(), DType::f32);
  for (size_t i = 0; i < y.size(); ++i) {
    ASSERT_TRUE(same(y[i], e4m3_to_f32(static_cast<uint8_t>(i)))) << i;
  }
}

TEST_P(VectorCodecs, ShortRunsTouchNothingBehind) {
  for (int64_t count = 0; count < 40; ++count) {
    std::vector<uint8_t> y(64, 0xA5);
    const std::vector<float> x(64, 1.0F);
    convert_elements({DType::f32, DType::f8e4m3}, reinterpret_cast<const std::byte*>(x.data()),
                     count, reinterpret_cast<std::byte*>(y.data()));
    for (int64_t i = 0; i < 64; ++i) {
      ASSERT_EQ(y[static_cast<size_t>(i)], i < count ? 0x38 : 0xA5) << count;
    }
  }
}

TEST_P(VectorCodecs, ScalesAreApplied) {
  const std::vector<float> x = {1.0F, -3.0F, 1000.0F};
  std::vector<uint8_t> y(3);
  convert_elements({DType::f32, DType::f8e4m3, 1.0F, 0.3F},
                   reinterpret_cast<const std::byte*>(x.data()), 3,
                   reinterpret_cast<std::byte*>(y.data()));
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], quantize_e4m3(x[i], 0.3F));
}

/// The decoders of the matrix kernels, all of which are exact.
TEST(MatrixDecoders, AllCodesInEverySet) {
  const auto codes = all_codes();
  for (const MatrixSet& set : matrix_sets()) {
    if (!set.available()) continue;
    const DotKernels& kernels = dot_kernels(set, DType::f8e4m3, DType::f8e4m3);
    for (const size_t count : {256UL, 255UL, 200UL, 65UL, 63UL, 1UL}) {
      std::vector<uint32_t> decoded(260, 0xA5A5A5A5U);
      kernels.decode_row(DType::f8e4m3, reinterpret_cast<const std::byte*>(codes.data()),
                         static_cast<int64_t>(count), reinterpret_cast<std::byte*>(decoded.data()));
      const auto* narrow = reinterpret_cast<const uint16_t*>(decoded.data());
      const bool bf16 = kernels.element_bytes == 2;
      for (size_t i = 0; i < count; ++i) {
        const float value = bf16 ? bf16_to_f32(narrow[i]) : std::bit_cast<float>(decoded[i]);
        ASSERT_TRUE(same(value, e4m3_to_f32(codes[i]))) << set.name << " " << i;
      }
      const uint32_t behind = bf16 ? narrow[count] : decoded[count] & 0xFFFF;
      EXPECT_EQ(behind, 0xA5A5U) << set.name << " " << count;
    }
  }
}

}  // namespace
}  // namespace octet::cpu
