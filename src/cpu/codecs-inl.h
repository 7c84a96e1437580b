// The narrow formats as vectors of 32-bit lanes; included once per Highway target.
// Every function agrees with tensor/codecs.h to the bit.

#if defined(OCTET_CPU_CODECS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTET_CPU_CODECS_INL_H
#undef OCTET_CPU_CODECS_INL_H
#else
#define OCTET_CPU_CODECS_INL_H
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace octet::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// At most 16 lanes, so that a row of a 32-column panel is a whole number of vectors.
using Floats = hn::CappedTag<float, 16>;

/// E4M3 codes in the low byte of each lane (other bits zero) to float.
template <class D, class VU>
HWY_INLINE hn::Vec<D> decode_e4m3(D d, VU codes) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const auto magnitude = hn::And(codes, hn::Set(du, 0x7FU));
  const auto sign = hn::ShiftLeft<24>(hn::And(codes, hn::Set(du, 0x80U)));
  const auto normal =
      hn::BitCast(d, hn::Add(hn::ShiftLeft<20>(magnitude), hn::Set(du, 120U << 23)));
  const auto subnormal = hn::Mul(hn::ConvertTo(d, hn::BitCast(di, magnitude)), hn::Set(d, 0x1p-9F));
  const auto in_i32 = hn::BitCast(di, magnitude);
  const auto is_subnormal = hn::RebindMask(d, hn::Lt(in_i32, hn::Set(di, 8)));
  const auto is_nan = hn::RebindMask(d, hn::Eq(in_i32, hn::Set(di, 0x7F)));
  const auto nan = hn::BitCast(d, hn::Set(du, 0x7FC00000U));
  const auto value = hn::IfThenElse(is_nan, nan, hn::IfThenElse(is_subnormal, subnormal, normal));
  return hn::Or(value, hn::BitCast(d, sign));
}

/// The code of `magnitude`, the bits of a float that is not negative (NaN and what is above 448
/// count as 448).
template <class D, class VI>
HWY_INLINE VI encode_e4m3_magnitude(D d, VI magnitude) {
  const hn::RebindToSigned<D> di;
  const auto capped = hn::Min(magnitude, hn::Set(di, 0x43E00000));  // 448
  const auto odd = hn::And(hn::ShiftRight<20>(capped), hn::Set(di, 1));
  const auto rounded = hn::ShiftRight<20>(hn::Add(hn::Add(capped, odd), hn::Set(di, 0x7FFFF)));
  const auto normal = hn::Sub(rounded, hn::Set(di, 120 << 3));
  // Adding 2^14 puts the unit of the last place at 2^-9, so the hardware rounds.
  const auto aligned = hn::Add(hn::BitCast(d, capped), hn::Set(d, 0x1p14F));
  const auto subnormal = hn::Sub(hn::BitCast(di, aligned), hn::Set(di, 0x46800000));
  const auto is_subnormal = hn::Lt(capped, hn::Set(di, 0x3C800000));  // 2^-6
  return hn::IfThenElse(is_subnormal, subnormal, normal);
}

/// `code` with the sign of `value`; NaN where that is NaN.
template <class D, class V, class VI>
HWY_INLINE VI signed_e4m3(D /*d*/, V value, VI code) {
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(di, value);
  const auto sign = hn::And(hn::ShiftRight<24>(bits), hn::Set(di, 0x80));
  const auto is_nan = hn::Gt(hn::And(bits, hn::Set(di, 0x7FFFFFFF)), hn::Set(di, 0x7F800000));
  return hn::IfThenElse(is_nan, hn::Set(di, 0x7F), hn::Or(code, sign));
}

/// Float to E4M3 codes, saturating, in the low byte of each lane.
template <class D, class V>
HWY_INLINE hn::Vec<hn::RebindToSigned<D>> encode_e4m3(D d, V value) {
  const auto magnitude = hn::BitCast(hn::RebindToSigned<D>(), hn::Abs(value));
  return signed_e4m3(d, value, encode_e4m3_magnitude(d, magnitude));
}

/// a / b rounded, given 1 / b: a product, corrected by what it leaves of a, which is cheaper than a
/// division. For normal b; an infinite a gives NaN.
template <class D, class V>
HWY_INLINE V quotient(D /*d*/, V a, V b, V inverse) {
  const auto product = hn::Mul(a, inverse);
  return hn::MulAdd(hn::NegMulAdd(product, b, a), inverse, product);
}

/// Stores the codes of value / scale, given 1 / scale.
template <class D, class V>
HWY_INLINE void store_e4m3_quotient(D d, V value, V scale, V inverse, uint8_t* target) {
  // Infinity leaves a NaN of any sign, which counts as what is above 448.
  const auto magnitude = hn::Abs(quotient(d, value, scale, inverse));
  const hn::RebindToSigned<D> di;
  const auto code = signed_e4m3(d, value, encode_e4m3_magnitude(d, hn::BitCast(di, magnitude)));
  const hn::Rebind<uint8_t, D> du8;
  hn::StoreU(hn::DemoteTo(du8, code), du8, target);
}

/// Float to IEEE half bits in the low 16 bits of each lane, for targets without the instruction.
template <class D, class V>
HWY_INLINE hn::Vec<hn::RebindToSigned<D>> encode_f16_portable(D d, V value) {
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(di, value);
  const auto magnitude = hn::And(bits, hn::Set(di, 0x7FFFFFFF));
  const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(di, 0x8000));
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(di, 1));
  const auto rounded = hn::ShiftRight<13>(hn::Add(hn::Add(magnitude, odd), hn::Set(di, 0xFFF)));
  const auto normal = hn::Sub(rounded, hn::Set(di, 112 << 10));
  // Adding 0.5 puts the unit of the last place at 2^-24, so the hardware rounds.
  const auto aligned = hn::Add(hn::BitCast(d, magnitude), hn::Set(d, 0.5F));
  const auto subnormal = hn::Sub(hn::BitCast(di, aligned), hn::Set(di, 0x3F000000));
  const auto is_subnormal = hn::Lt(magnitude, hn::Set(di, 0x38800000));  // 2^-14
  const auto is_infinite = hn::Gt(magnitude, hn::Set(di, 0x477FEFFF));   // rounds to 65536
  const auto is_nan = hn::Gt(magnitude, hn::Set(di, 0x7F800000));
  const auto finite = hn::IfThenElse(is_subnormal, subnormal, normal);
  const auto coded = hn::IfThenElse(is_infinite, hn::Set(di, 0x7C00), finite);
  return hn::Or(hn::IfThenElse(is_nan, hn::Set(di, 0x7E00), coded), sign);
}

// Highway's conversions of FP16 neither round to nearest nor know infinities where the processor
// lacks the instructions.
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
#define OCTET_CPU_PORTABLE_F16 1
#else
#define OCTET_CPU_PORTABLE_F16 0
#endif

/// IEEE half bits in the low 16 bits of each lane (other bits zero) to float.
template <class D, class VU>
HWY_INLINE hn::Vec<D> decode_f16(D d, VU halves) {
#if OCTET_CPU_PORTABLE_F16
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const auto sign = hn::ShiftLeft<16>(hn::And(halves, hn::Set(du, 0x8000U)));
  const auto magnitude = hn::And(halves, hn::Set(du, 0x7FFFU));
  const auto in_i32 = hn::BitCast(di, magnitude);
  const auto shifted = hn::Add(hn::ShiftLeft<13>(magnitude), hn::Set(du, 112U << 23));
  const auto infinite = hn::BitCast(d, hn::Add(shifted, hn::Set(du, 112U << 23)));
  const auto subnormal = hn::Mul(hn::ConvertTo(d, in_i32), hn::Set(d, 0x1p-24F));
  const auto is_infinite = hn::RebindMask(d, hn::Gt(in_i32, hn::Set(di, 0x7BFF)));
  const auto is_subnormal = hn::RebindMask(d, hn::Lt(in_i32, hn::Set(di, 0x0400)));
  const auto finite = hn::IfThenElse(is_subnormal, subnormal, hn::BitCast(d, shifted));
  return hn::Or(hn::IfThenElse(is_infinite, infinite, finite), hn::BitCast(d, sign));
#else
  const auto narrow = hn::TruncateTo(hn::Rebind<uint16_t, D>(), halves);
  return hn::PromoteTo(d, hn::BitCast(hn::Rebind<hwy::float16_t, D>(), narrow));
#endif
}

/// The float nearest to `value` that FP16 holds: what a step of an FP16 graph leaves.
template <class D, class V>
HWY_INLINE V round_to_f16(D d, V value) {
#if OCTET_CPU_PORTABLE_F16
  return decode_f16(d, hn::BitCast(hn::RebindToUnsigned<D>(), encode_f16_portable(d, value)));
#else
  return hn::PromoteTo(d, hn::DemoteTo(hn::Rebind<hwy::float16_t, D>(), value));
#endif
}

template <class D>
HWY_INLINE hn::Vec<D> load_as_f32(D d, const float* source) {
  return hn::LoadU(d, source);
}

template <class D>
HWY_INLINE hn::Vec<D> load_as_f32(D d, const hwy::float16_t* source) {
#if OCTET_CPU_PORTABLE_F16
  const auto* bits = reinterpret_cast<const uint16_t*>(source);
  const hn::Rebind<uint16_t, D> du16;
  return decode_f16(d, hn::PromoteTo(hn::RebindToUnsigned<D>(), hn::LoadU(du16, bits)));
#else
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::float16_t, D>(), source));
#endif
}

template <class D>
HWY_INLINE hn::Vec<D> load_as_f32(D d, const hwy::bfloat16_t* source) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::bfloat16_t, D>(), source));
}

/// E4M3 codes.
template <class D>
HWY_INLINE hn::Vec<D> load_as_f32(D d, const uint8_t* source) {
  const hn::RebindToUnsigned<D> du;
  return decode_e4m3(d, hn::PromoteTo(du, hn::LoadU(hn::Rebind<uint8_t, D>(), source)));
}

template <class D, class V>
HWY_INLINE void store_from_f32(D d, V value, float* target) {
  hn::StoreU(value, d, target);
}

template <class D, class V>
HWY_INLINE void store_from_f32(D /*d*/, V value, hwy::float16_t* target) {
#if OCTET_CPU_PORTABLE_F16
  const hn::Rebind<uint16_t, D> du16;
  const auto half = hn::DemoteTo(du16, encode_f16_portable(D(), value));
  hn::StoreU(half, du16, reinterpret_cast<uint16_t*>(target));
#else
  const hn::Rebind<hwy::float16_t, D> df16;
  hn::StoreU(hn::DemoteTo(df16, value), df16, target);
#endif
}

template <class D, class V>
HWY_INLINE void store_from_f32(D d, V value, uint8_t* target) {
  const hn::Rebind<uint8_t, D> du8;
  hn::StoreU(hn::DemoteTo(du8, encode_e4m3(d, value)), du8, target);
}

/// The first `count` elements (fewer than a vector) as floats, zeros behind them.
template <class D, typename T>
HWY_INLINE hn::Vec<D> load_part_as_f32(D d, const T* source, int64_t count) {
  T part[16] = {};
  std::memcpy(part, source, std::min<size_t>(static_cast<size_t>(count), 16) * sizeof(T));
  return load_as_f32(d, part);
}

/// Stores the first `count` lanes (fewer than a vector).
template <class D, class V, typename T>
HWY_INLINE void store_part_from_f32(D d, V value, T* target, int64_t count) {
  T part[16];
  store_from_f32(d, value, part);
  std::memcpy(target, part, std::min<size_t>(static_cast<size_t>(count), 16) * sizeof(T));
}

/// y[i] = f(x[i]) for `count` elements of any of these types, computed in float.
template <typename From, typename To, class F>
HWY_INLINE void map_elements(const From* x, int64_t count, To* y, F f) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store_from_f32(d, f(load_as_f32(d, x + i)), y + i);
  if (i < count) {
    store_part_from_f32(d, f(load_part_as_f32(d, x + i, count - i)), y + i, count - i);
  }
}

/// y[i] = f(a[i], b[i]).
template <typename A, typename B, typename To, class F>
HWY_INLINE void map_elements(const A* a, const B* b, int64_t count, To* y, F f) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    store_from_f32(d, f(load_as_f32(d, a + i), load_as_f32(d, b + i)), y + i);
  }
  if (i < count) {
    const auto left = load_part_as_f32(d, a + i, count - i);
    const auto right = load_part_as_f32(d, b + i, count - i);
    store_part_from_f32(d, f(left, right), y + i, count - i);
  }
}

#undef OCTET_CPU_PORTABLE_F16
}  // namespace HWY_NAMESPACE
}  // namespace octet::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
