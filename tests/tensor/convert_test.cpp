#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "tensor/codecs.h"
#include "tests/expect_error.h"

namespace octet {
namespace {

constexpr std::array kAllTypes{DType::f32, DType::f16, DType::bf16, DType::f8e4m3, DType::f8e5m2,
                               DType::f64, DType::i8,  DType::i16,  DType::i32,    DType::i64,
                               DType::u8,  DType::u16, DType::u32,  DType::u64,    DType::boolean};

Tensor floats(const std::vector<float>& values) {
  return Tensor::from<float>({static_cast<int64_t>(values.size())}, values);
}

std::vector<float> values_of(const Tensor& tensor) {
  const Tensor wide = convert(tensor, DType::f32);
  return {wide.values<float>().begin(), wide.values<float>().end()};
}

TEST(Convert, SmallIntegersSurviveEveryType) {
  const Tensor source = floats({0, 1, 1, 0, 1});
  for (const DType dtype : kAllTypes) {
    if (dtype == DType::f8e5m2) continue;
    SCOPED_TRACE(name_of(dtype));
    const Tensor narrow = convert(source, dtype);
    EXPECT_EQ(narrow.dtype(), dtype);
    EXPECT_EQ(narrow.shape(), source.shape());
    EXPECT_EQ(values_of(narrow), values_of(source));
    EXPECT_EQ(element_as_f32(narrow, 4), 1);
  }
}

TEST(Convert, E5M2IsOnlyRead) {
  Tensor source(DType::f8e5m2, {2});
  source.mutable_values<uint8_t>()[1] = 0x3C;
  EXPECT_EQ(values_of(source), (std::vector<float>{0, 1}));
  test::expect_error(ErrorCode::bad_input, {"f8e5m2"}, [] { convert(floats({1}), DType::f8e5m2); });
}

TEST(Convert, RoundsToNearestEven) {
  EXPECT_EQ(values_of(convert(floats({17, 19, 1000, -0.001F}), DType::f8e4m3)),
            (std::vector<float>{16, 20, 448, -0x1p-9F}));
  EXPECT_EQ(values_of(convert(floats({2049, 2051, 70000}), DType::f16)),
            (std::vector<float>{2048, 2052, std::numeric_limits<float>::infinity()}));
}

TEST(Convert, IntegersAreExactAmongThemselves) {
  const std::vector<int64_t> values{16777217, -16777217, (int64_t{1} << 53) + 1, INT64_MIN, -1};
  const Tensor source = Tensor::from<int64_t>({5}, values);
  const Tensor same = convert(convert(source, DType::u64), DType::i64);
  EXPECT_EQ(same, source);
  const Tensor narrow = convert(source, DType::i32);
  EXPECT_EQ(narrow.values<int32_t>()[0], 16777217);
  EXPECT_EQ(narrow.values<int32_t>()[1], -16777217);
  const Tensor truth = convert(source, DType::boolean);
  for (const uint8_t value : truth.values<uint8_t>()) EXPECT_EQ(value, 1);
}

TEST(Convert, FloatsBecomeIntegersTowardZeroAndSaturate) {
  const Tensor source =
      floats({1.9F, -1.9F, 1e20F, -1e20F, std::numeric_limits<float>::quiet_NaN()});
  const Tensor i32 = convert(source, DType::i32);
  const std::vector<int32_t> expected{1, -1, INT32_MAX, INT32_MIN, 0};
  EXPECT_EQ(std::vector(i32.values<int32_t>().begin(), i32.values<int32_t>().end()), expected);
  EXPECT_EQ(convert(source, DType::u8).values<uint8_t>()[1], 0);
  EXPECT_EQ(convert(source, DType::u8).values<uint8_t>()[2], 255);
  EXPECT_EQ(convert(source, DType::i64).values<int64_t>()[2], INT64_MAX);
}

TEST(Convert, TheSameTypeSharesTheBytes) {
  const Tensor source = floats({1, 2});
  EXPECT_EQ(convert(source, DType::f32).bytes().data(), source.bytes().data());
}

TEST(Convert, EveryElementOfALongTensor) {
  const int64_t count = 300'001;  // many chunks and ranges, the last of each cut off
  Tensor source(DType::i32, {count});
  std::iota(source.mutable_values<int32_t>().begin(), source.mutable_values<int32_t>().end(), 0);
  const Tensor wide = convert(source, DType::f64);
  const auto values = wide.values<double>();
  for (int64_t i = 0; i < count; ++i) ASSERT_EQ(values[static_cast<size_t>(i)], i);
}

TEST(Convert, ReadsUnalignedBytes) {
  const auto memory = allocate_aligned(64);
  const float value = 1.25F;
  std::memcpy(memory.get() + 1, &value, sizeof value);
  const Tensor odd = Tensor::view(DType::f32, {1}, {memory.get() + 1, sizeof value}, memory);
  EXPECT_EQ(element_as_f32(odd, 0), 1.25F);
  EXPECT_EQ(convert(odd, DType::f16).values<uint16_t>()[0], f32_to_f16(1.25F));
}

TEST(Convert, EmptyTensors) {
  EXPECT_EQ(convert(Tensor(DType::f32, {0, 3}), DType::f16).shape(), (Shape{0, 3}));
}

}  // namespace
}  // namespace octet
