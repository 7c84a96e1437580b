// exp and what is made of it, on float vectors; included once per Highway target.

#if defined(OCTET_CPU_EXP_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTET_CPU_EXP_INL_H
#undef OCTET_CPU_EXP_INL_H
#else
#define OCTET_CPU_EXP_INL_H
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace octet::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// e^x within 2e-7 relative for x in [-87, 88]; x below counts as -87 (1.6e-38), above as 88.
/// NaN stays NaN, which is why this is not Highway's Exp.
template <class D, class V>
HWY_INLINE V exp_of(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto is_nan = hn::IsNaN(x);
  const auto bounded = hn::Min(hn::Max(x, hn::Set(d, -87.0F)), hn::Set(d, 88.0F));
  const auto power = hn::Round(hn::Mul(bounded, hn::Set(d, 1.44269504F)));
  // ln 2 in two parts: the first has so few digits that its product with `power` is exact.
  const auto reduced = hn::NegMulAdd(power, hn::Set(d, 1.42860677e-6F),
                                     hn::NegMulAdd(power, hn::Set(d, 0.693145752F), bounded));
  // Minimax polynomial of (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2.
  auto tail = hn::Set(d, 0.00139262508F);
  tail = hn::MulAdd(tail, reduced, hn::Set(d, 0.00836323288F));
  tail = hn::MulAdd(tail, reduced, hn::Set(d, 0.041666554213F));
  tail = hn::MulAdd(tail, reduced, hn::Set(d, 0.166665766661F));
  tail = hn::MulAdd(tail, reduced, hn::Set(d, 0.5F));
  const auto fraction =
      hn::Add(hn::MulAdd(hn::Mul(reduced, reduced), tail, reduced), hn::Set(d, 1.0F));
  const auto exponent = hn::ShiftLeft<23>(hn::ConvertTo(di, power));
  const auto scaled = hn::BitCast(d, hn::Add(hn::BitCast(di, fraction), exponent));
  return hn::IfThenElse(is_nan, x, scaled);
}

/// 1 / (1 + e^-x).
template <class D, class V>
HWY_INLINE V sigmoid(D d, V x) {
  const auto one = hn::Set(d, 1.0F);
  return hn::Div(one, hn::Add(one, exp_of(d, hn::Neg(x))));
}

/// x sigmoid(1.702 x).
template <class D, class V>
HWY_INLINE V quick_gelu(D d, V x) {
  return hn::Mul(x, sigmoid(d, hn::Mul(x, hn::Set(d, 1.702F))));
}

/// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, as x sigmoid of twice the argument.
template <class D, class V>
HWY_INLINE V gelu_tanh(D d, V x) {
  const auto cubic = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0.044715F), hn::Set(d, 1.0F));
  return hn::Mul(x, sigmoid(d, hn::Mul(hn::Mul(x, cubic), hn::Set(d, 1.5957691216F))));
}

/// x (1 + erf(x / sqrt(2))) / 2. With P(t), t = 1 / (1 + 0.35 |x|), the normal tail beyond |x| is
/// t P(t) exp(-x^2 / 2); P is the minimax polynomial of that quotient for |x| <= 14 (4e-8
/// relative).
template <class D, class V>
HWY_INLINE V gelu(D d, V x) {
  const auto size = hn::Abs(x);
  const auto one = hn::Set(d, 1.0F);
  const auto t = hn::Div(one, hn::MulAdd(size, hn::Set(d, 0.35F), one));
  auto p = hn::Set(d, -0.0296795220045F);
  p = hn::MulAdd(p, t, hn::Set(d, 0.146545830293F));
  p = hn::MulAdd(p, t, hn::Set(d, -0.260961228295F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.165050995857F));
  p = hn::MulAdd(p, t, hn::Set(d, -0.0270466082671F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.107114587597F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.119444916846F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.139912298125F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.139618712561F));
  const auto density = exp_of(d, hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5F)));
  const auto tail = hn::Mul(hn::Mul(t, p), density);
  const auto below = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail));
  return hn::Mul(x, below);
}

}  // namespace HWY_NAMESPACE
}  // namespace octet::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
