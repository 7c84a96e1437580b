#include "cpu/epilogue.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "cpu/packing.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/epilogue.cpp"
#include "hwy/foreach_target.h"
// foreach_target comes first
#include "cpu/codecs-inl.h"
#include "cpu/exp-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace octet::cpu {
namespace HWY_NAMESPACE {
namespace {

template <class D, class V>
HWY_INLINE V step(D d, const Epilogue& e, V y) {
  return e.f16_steps ? round_to_f16(d, y) : y;
}

/// x * sigmoid(1.702 x) as three operators of an FP16 graph, whose factor is an FP16 number too.
template <class D, class V>
HWY_INLINE V quick_gelu_in_f16(D d, V x) {
  const auto inner = round_to_f16(d, hn::Mul(x, hn::Set(d, 1.7021484375F)));
  return hn::Mul(x, round_to_f16(d, sigmoid(d, inner)));
}

template <class D, class V>
HWY_INLINE V activate(D d, Activation activation, V x) {
  switch (activation) {
    case Activation::quick_gelu:
      return quick_gelu(d, x);
    case Activation::gelu:
      return gelu(d, x);
    case Activation::gelu_tanh:
      return gelu_tanh(d, x);
    case Activation::sigmoid:
      return sigmoid(d, x);
    case Activation::none:
      break;
  }
  return x;
}

/// act(alpha * (scale * sum + bias)) of one vector of columns, `column` being its first.
template <class D>
HWY_INLINE hn::Vec<D> finish_sums(D d, const Epilogue& e, int64_t column, const float* sums) {
  auto y = step(d, e, hn::Mul(hn::Load(d, sums), hn::Load(d, e.scale + column)));
  if (e.bias != nullptr) y = step(d, e, hn::Add(y, hn::Load(d, e.bias + column)));
  if (e.alpha != nullptr) y = step(d, e, hn::Mul(y, hn::Load(d, e.alpha + column)));
  if (e.activation == Activation::none) return y;
  const bool in_steps = e.f16_steps && e.activation == Activation::quick_gelu;
  return step(d, e, in_steps ? quick_gelu_in_f16(d, y) : activate(d, e.activation, y));
}

/// One row of the panel from column `first` on: 32 columns, `residual` and `out` at its first
/// column (residual may be null).
template <typename Residual, typename Out>
HWY_INLINE void finish_row(const Epilogue& e, int64_t first, const float* sums,
                           const Residual* residual, Out* out) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t column = 0; column < kPanelColumns; column += lanes) {
    auto y = finish_sums(d, e, first + column, sums + column);
    if (residual != nullptr) y = step(d, e, hn::Add(y, load_as_f32(d, residual + column)));
    if constexpr (sizeof(Out) == 1) y = hn::Div(y, hn::Load(d, e.out_scale + first + column));
    store_from_f32(d, y, out + column);
  }
}

template <typename Residual, typename Out>
void finish(const Epilogue& e, int64_t first_row, int64_t count, int64_t first_column,
            const float* sums) {
  const auto width = static_cast<size_t>(std::min(kPanelColumns, e.columns - first_column));
  const bool whole = width == static_cast<size_t>(kPanelColumns);
  const auto* residual = reinterpret_cast<const Residual*>(e.residual);
  auto* out = reinterpret_cast<Out*>(e.out);
  Residual residual_row[kPanelColumns] = {};
  Out out_row[kPanelColumns];
  for (int64_t row = 0; row < count; ++row) {
    const int64_t offset = (first_row + row) * e.stride + first_column;
    const Residual* from = residual == nullptr ? nullptr : residual + offset;
    if (!whole && from != nullptr) {
      std::memcpy(residual_row, from, width * sizeof(Residual));
      from = residual_row;
    }
    Out* to = whole ? out + offset : out_row;
    finish_row(e, first_column, sums + row * kPanelColumns, from, to);
    if (!whole) std::memcpy(out + offset, out_row, width * sizeof(Out));
  }
}

template <typename Residual>
void finish_to(const Epilogue& e, int64_t first_row, int64_t count, int64_t first_column,
               const float* sums) {
  switch (e.out_dtype) {
    case DType::f16:
      return finish<Residual, hwy::float16_t>(e, first_row, count, first_column, sums);
    case DType::f8e4m3:
      return finish<Residual, uint8_t>(e, first_row, count, first_column, sums);
    default:
      return finish<Residual, float>(e, first_row, count, first_column, sums);
  }
}

void finish_any(const Epilogue& e, int64_t first_row, int64_t count, int64_t first_column,
                const float* sums) {
  if (e.residual_dtype == DType::f16) {
    return finish_to<hwy::float16_t>(e, first_row, count, first_column, sums);
  }
  return finish_to<float>(e, first_row, count, first_column, sums);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace octet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace octet::cpu {

HWY_EXPORT(finish_any);

void finish_rows(const Epilogue& epilogue, int64_t first_row, int64_t count, int64_t first_column,
                 const float* sums) {
  HWY_DYNAMIC_DISPATCH(finish_any)(epilogue, first_row, count, first_column, sums);
}

Activation activation_from_name(std::string_view name) {
  if (name == "none") return Activation::none;
  if (name == "quick_gelu") return Activation::quick_gelu;
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_tanh") return Activation::gelu_tanh;
  fail_input("unknown activation '{}'; known: none, quick_gelu, gelu, gelu_tanh", name);
}

}  // namespace octet::cpu
#endif
