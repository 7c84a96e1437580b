#include "cpu/elementwise.h"

#include "base/error.h"
#include "tensor/codecs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/elementwise.cpp"
#include "hwy/foreach_target.h"
// foreach_target comes first
#include "cpu/codecs-inl.h"
#include "cpu/exp-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace octet::cpu {
namespace HWY_NAMESPACE {
namespace {

template <typename T>
void activate_typed(Activation activation, const T* x, int64_t count, T* y) {
  const Floats d;
  switch (activation) {
    case Activation::quick_gelu:
      return map_elements(x, count, y, [d](auto v) HWY_ATTR { return quick_gelu(d, v); });
    case Activation::gelu:
      return map_elements(x, count, y, [d](auto v) HWY_ATTR { return gelu(d, v); });
    case Activation::gelu_tanh:
      return map_elements(x, count, y, [d](auto v) HWY_ATTR { return gelu_tanh(d, v); });
    case Activation::sigmoid:
      return map_elements(x, count, y, [d](auto v) HWY_ATTR { return sigmoid(d, v); });
    case Activation::none:
      return map_elements(x, count, y, [](auto v) HWY_ATTR { return v; });
  }
}

void activate(Activation activation, DType dtype, const std::byte* x, int64_t count, std::byte* y) {
  if (dtype == DType::f16) {
    return activate_typed(activation, reinterpret_cast<const hwy::float16_t*>(x), count,
                          reinterpret_cast<hwy::float16_t*>(y));
  }
  activate_typed(activation, reinterpret_cast<const float*>(x), count, reinterpret_cast<float*>(y));
}

template <typename T>
void add_typed(const std::byte* a, const std::byte* b, int64_t count, std::byte* y) {
  map_elements(reinterpret_cast<const T*>(a), reinterpret_cast<const T*>(b), count,
               reinterpret_cast<T*>(y),
               [](auto left, auto right) HWY_ATTR { return hn::Add(left, right); });
}

void add(DType dtype, const std::byte* a, const std::byte* b, int64_t count, std::byte* y) {
  if (dtype == DType::f16) return add_typed<hwy::float16_t>(a, b, count, y);
  add_typed<float>(a, b, count, y);
}

template <typename From, typename To>
void convert_typed(const Conversion& conversion, const std::byte* x, int64_t count, std::byte* y) {
  const Floats d;
  const auto times = hn::Set(d, conversion.multiplier);
  const auto over = hn::Set(d, conversion.divisor);
  const auto* from = reinterpret_cast<const From*>(x);
  auto* to = reinterpret_cast<To*>(y);
  if (conversion.divisor != 1.0F) {
    return map_elements(from, count, to,
                        [=](auto v) HWY_ATTR { return hn::Div(hn::Mul(v, times), over); });
  }
  map_elements(from, count, to, [=](auto v) HWY_ATTR { return hn::Mul(v, times); });
}

template <typename From>
void convert_from(const Conversion& conversion, const std::byte* x, int64_t count, std::byte* y) {
  switch (conversion.to) {
    case DType::f16:
      return convert_typed<From, hwy::float16_t>(conversion, x, count, y);
    case DType::f8e4m3:
      return convert_typed<From, uint8_t>(conversion, x, count, y);
    default:
      return convert_typed<From, float>(conversion, x, count, y);
  }
}

void convert_any(const Conversion& conversion, const std::byte* x, int64_t count, std::byte* y) {
  switch (conversion.from) {
    case DType::f16:
      return convert_from<hwy::float16_t>(conversion, x, count, y);
    case DType::f8e4m3:
      return convert_from<uint8_t>(conversion, x, count, y);
    default:
      return convert_from<float>(conversion, x, count, y);
  }
}

/// NaN elements do not count, as in a scan by `<`.
template <typename T>
float largest_magnitude(const T* x, int64_t count) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto largest = hn::Zero(d);
  int64_t i = 0;
  for (; i < count; i += lanes) {
    const auto v =
        i + lanes <= count ? load_as_f32(d, x + i) : load_part_as_f32(d, x + i, count - i);
    const auto size = hn::Abs(v);
    largest = hn::IfThenElse(hn::Gt(size, largest), size, largest);
  }
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

template <typename T>
void fake_quantize_typed(const std::byte* from, int64_t count, std::byte* to) {
  const Floats d;
  const hn::RebindToUnsigned<Floats> du;
  const auto* x = reinterpret_cast<const T*>(from);
  const auto scale = hn::Set(d, scale_from_amax(largest_magnitude(x, count)));
  map_elements(x, count, reinterpret_cast<T*>(to), [=](auto v) HWY_ATTR {
    const auto codes = encode_e4m3(d, hn::Div(v, scale));
    return hn::Mul(decode_e4m3(d, hn::BitCast(du, codes)), scale);
  });
}

void fake_quantize(DType dtype, const std::byte* x, int64_t count, std::byte* y) {
  if (dtype == DType::f16) return fake_quantize_typed<hwy::float16_t>(x, count, y);
  fake_quantize_typed<float>(x, count, y);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace octet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace octet::cpu {

HWY_EXPORT(activate);
HWY_EXPORT(add);
HWY_EXPORT(convert_any);
HWY_EXPORT(fake_quantize);

void activate_elements(Activation activation, DType dtype, const std::byte* x, int64_t count,
                       std::byte* y) {
  HWY_DYNAMIC_DISPATCH(activate)(activation, dtype, x, count, y);
}

void add_elements(DType dtype, const std::byte* a, const std::byte* b, int64_t count,
                  std::byte* y) {
  HWY_DYNAMIC_DISPATCH(add)(dtype, a, b, count, y);
}

void convert_elements(const Conversion& conversion, const std::byte* x, int64_t count,
                      std::byte* y) {
  HWY_DYNAMIC_DISPATCH(convert_any)(conversion, x, count, y);
}

void fake_quantize_row(DType dtype, const std::byte* x, int64_t count, std::byte* y) {
  HWY_DYNAMIC_DISPATCH(fake_quantize)(dtype, x, count, y);
}

}  // namespace octet::cpu
#endif
