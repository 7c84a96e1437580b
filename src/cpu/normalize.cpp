#include "cpu/normalize.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/normalize.cpp"
#include "hwy/foreach_target.h"
// foreach_target comes first
#include "cpu/codecs-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace octet::cpu {
namespace HWY_NAMESPACE {
namespace {

template <typename From>
float mean_of(const From* x, int64_t width) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) sum = hn::Add(sum, load_as_f32(d, x + i));
  if (i < width) sum = hn::Add(sum, load_part_as_f32(d, x + i, width - i));
  return hn::GetLane(hn::SumOfLanes(d, sum)) / static_cast<float>(width);
}

template <typename From>
float variance_of(const From* x, int64_t width, float mean) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto center = hn::Set(d, mean);
  auto sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    const auto distance = hn::Sub(load_as_f32(d, x + i), center);
    sum = hn::MulAdd(distance, distance, sum);
  }
  if (i < width) {
    const auto distance = hn::Sub(load_part_as_f32(d, x + i, width - i), center);
    const auto inside = hn::FirstN(d, static_cast<size_t>(width - i));
    const auto counted = hn::IfThenElseZero(inside, distance);
    sum = hn::MulAdd(counted, counted, sum);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum)) / static_cast<float>(width);
}

template <typename From, typename To>
void normalize_row(const Normalization& norm, const From* x, To* y) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const float mean = mean_of(x, norm.width);
  const float spread = std::sqrt(variance_of(x, norm.width, mean) + norm.epsilon);
  const auto center = hn::Set(d, mean);
  const auto factor = hn::Set(d, 1.0F / spread);
  const auto scale = hn::Set(d, norm.out_scale);
  const auto finish = [&](auto v, int64_t i) HWY_ATTR {
    const auto unit = hn::Mul(hn::Sub(v, center), factor);
    auto result = hn::MulAdd(unit, hn::Load(d, norm.gamma + i), hn::Load(d, norm.beta + i));
    if (norm.f16_steps) result = round_to_f16(d, result);
    if constexpr (sizeof(To) == 1) return hn::Div(result, scale);
    return result;
  };
  int64_t i = 0;
  for (; i + lanes <= norm.width; i += lanes) {
    store_from_f32(d, finish(load_as_f32(d, x + i), i), y + i);
  }
  if (i < norm.width) {
    const auto part = finish(load_part_as_f32(d, x + i, norm.width - i), i);
    store_part_from_f32(d, part, y + i, norm.width - i);
  }
}

template <typename From, typename To>
void normalize_typed(const Normalization& norm, const std::byte* x, int64_t count, std::byte* y) {
  const auto* from = reinterpret_cast<const From*>(x);
  auto* to = reinterpret_cast<To*>(y);
  for (int64_t row = 0; row < count; ++row) {
    normalize_row(norm, from + row * norm.width, to + row * norm.width);
  }
}

template <typename From>
void normalize_from(const Normalization& norm, const std::byte* x, int64_t count, std::byte* y) {
  switch (norm.out_dtype) {
    case DType::f16:
      return normalize_typed<From, hwy::float16_t>(norm, x, count, y);
    case DType::f8e4m3:
      return normalize_typed<From, uint8_t>(norm, x, count, y);
    default:
      return normalize_typed<From, float>(norm, x, count, y);
  }
}

void normalize(const Normalization& norm, const std::byte* x, int64_t count, std::byte* y) {
  if (norm.in_dtype == DType::f16) return normalize_from<hwy::float16_t>(norm, x, count, y);
  normalize_from<float>(norm, x, count, y);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace octet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace octet::cpu {

HWY_EXPORT(normalize);

void normalize_rows(const Normalization& norm, const std::byte* x, int64_t count, std::byte* y) {
  HWY_DYNAMIC_DISPATCH(normalize)(norm, x, count, y);
}

}  // namespace octet::cpu
#endif
