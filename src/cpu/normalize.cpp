#include "cpu/normalize.h"

#include <cmath>
#include <cstring>

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

/// The sum over a row, `add(sum, values, inside)` adding the values of the lanes that are `inside`.
/// Four sums at a time, because each addition waits for the one before.
template <typename From, class F>
HWY_INLINE float sum_of_row(const From* x, int64_t width, F add) {
  constexpr int kSums = 4;
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto all = hn::FirstN(d, hn::Lanes(d));
  hn::Vec<Floats> sums[kSums];
  for (auto& sum : sums) sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + kSums * lanes <= width; i += kSums * lanes) {
    for (int k = 0; k < kSums; ++k) sums[k] = add(sums[k], load_as_f32(d, x + i + k * lanes), all);
  }
  for (; i + lanes <= width; i += lanes) sums[0] = add(sums[0], load_as_f32(d, x + i), all);
  if (i < width) {
    const auto inside = hn::FirstN(d, static_cast<size_t>(width - i));
    sums[0] = add(sums[0], load_part_as_f32(d, x + i, width - i), inside);
  }
  const auto sum = hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

template <typename From>
float mean_of(const From* x, int64_t width) {
  const auto add = [](auto sum, auto values, auto /*inside: others are 0*/)
                       HWY_ATTR { return hn::Add(sum, values); };
  return sum_of_row(x, width, add) / static_cast<float>(width);
}

template <typename From>
float variance_of(const From* x, int64_t width, float mean) {
  const auto center = hn::Set(Floats(), mean);
  const auto add = [center](auto sum, auto values, auto inside) HWY_ATTR {
    const auto distance = hn::IfThenElseZero(inside, hn::Sub(values, center));
    return hn::MulAdd(distance, distance, sum);
  };
  return sum_of_row(x, width, add) / static_cast<float>(width);
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
  const auto inverse = hn::Set(d, 1.0F / norm.out_scale);
  const auto finish = [&](auto v, int64_t i, To* target) HWY_ATTR {
    const auto unit = hn::Mul(hn::Sub(v, center), factor);
    auto result = hn::MulAdd(unit, hn::Load(d, norm.gamma + i), hn::Load(d, norm.beta + i));
    if (norm.f16_steps) result = round_to_f16(d, result);
    if constexpr (sizeof(To) == 1) {
      store_e4m3_quotient(d, result, scale, inverse, target);
    } else {
      store_from_f32(d, result, target);
    }
  };
  int64_t i = 0;
  for (; i + lanes <= norm.width; i += lanes) finish(load_as_f32(d, x + i), i, y + i);
  if (i == norm.width) return;
  To part[16];
  finish(load_part_as_f32(d, x + i, norm.width - i), i, part);
  std::memcpy(y + i, part, static_cast<size_t>(norm.width - i) * sizeof(To));
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
