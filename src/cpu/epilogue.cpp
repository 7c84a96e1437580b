#include "cpu/epilogue.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "cpu/epilogue_f16.h"
#include "cpu/packing.h"
#include "cpu/vector_targets.h"

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

/// scale * sum + bias of one vector of columns, `column` being its first.
template <class D>
HWY_INLINE hn::Vec<D> shifted_sums(D d, const Epilogue& e, int64_t column, const float* sums) {
  const auto y = step(d, e, hn::Mul(hn::Load(d, sums), hn::Load(d, e.scale + column)));
  return e.bias == nullptr ? y : step(d, e, hn::Add(y, hn::Load(d, e.bias + column)));
}

/// act(alpha * y)
template <class D, class V>
HWY_INLINE V activated(D d, const Epilogue& e, V alpha, V y) {
  if (e.alpha != nullptr) y = step(d, e, hn::Mul(y, alpha));
  if (e.activation == Activation::none) return y;
  const bool in_steps = e.f16_steps && e.activation == Activation::quick_gelu;
  return step(d, e, in_steps ? quick_gelu_in_f16(d, y) : activate(d, e.activation, y));
}

/// Codes of y / out_scale.
template <class D, class V>
HWY_INLINE void store_codes(D d, const Epilogue& e, int64_t column, V y, uint8_t* out) {
  const auto scale = hn::Load(d, e.out_scale + column);
  const auto inverse = hn::Load(d, e.out_inverse + column);
  store_e4m3_quotient(d, y, scale, inverse, out);
}

/// One row of the panel from column `first` on: 32 columns, `residual` and `out` at its first
/// column (residual may be null).
template <typename Residual, typename Out>
HWY_INLINE void finish_row(const Epilogue& e, int64_t first, const float* sums,
                           const Residual* residual, Out* out) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t column = 0; column < kPanelColumns; column += lanes) {
    auto y = shifted_sums(d, e, first + column, sums + column);
    const auto alpha = e.alpha == nullptr ? y : hn::Load(d, e.alpha + first + column);
    y = activated(d, e, alpha, y);
    if (residual != nullptr) y = step(d, e, hn::Add(y, load_as_f32(d, residual + column)));
    if constexpr (sizeof(Out) == 1) {
      store_codes(d, e, first + column, y, out + column);
    } else {
      store_from_f32(d, y, out + column);
    }
  }
}

/// Asks for 32 elements that will be read or written some rows on. Rows lie far apart, so that the
/// processor does not foresee them.
template <int kWrite, typename T>
HWY_INLINE void fetch_ahead(const T* row) {
  __builtin_prefetch(row, kWrite);
  if constexpr (kPanelColumns * sizeof(T) > 64) __builtin_prefetch(row + kPanelColumns / 2, kWrite);
}
constexpr int64_t kRowsAhead = 8;

/// The FP16 bits of one row of shifted sums.
HWY_INLINE void store_bits(const Epilogue& e, int64_t first_column, const float* sums,
                           uint16_t* bits) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t column = 0; column < kPanelColumns; column += lanes) {
    const auto y = shifted_sums(d, e, first_column + column, sums + column);
    store_from_f32(d, y, reinterpret_cast<hwy::float16_t*>(bits) + column);
  }
}

void store_indices(const Epilogue& e, int64_t count, int64_t first_column, const float* sums,
                   uint16_t* indices) {
  for (int64_t row = 0; row < count; ++row) {
    store_bits(e, first_column, sums + row * kPanelColumns, indices + row * kPanelColumns);
  }
}

/// The codes of one row's bits, a whole one.
HWY_INLINE void look_up_row(const CodeTable& table, const uint16_t* bits, uint8_t* out) {
#if HWY_TARGET <= HWY_AVX3
  const hn::ScalableTag<uint32_t> d;
  const hn::Rebind<uint16_t, decltype(d)> du16;
  const hn::Rebind<uint8_t, decltype(d)> du8;
  const auto* words = reinterpret_cast<const uint32_t*>(table.data());
  for (int64_t column = 0; column < kPanelColumns; column += static_cast<int64_t>(hn::Lanes(d))) {
    const auto index = hn::PromoteTo(d, hn::LoadU(du16, bits + column));
    const auto word = hn::GatherIndex(
        d, words, hn::BitCast(hn::RebindToSigned<decltype(d)>(), hn::ShiftRight<2>(index)));
    const auto byte = hn::ShiftLeft<3>(hn::And(index, hn::Set(d, 3)));
    hn::StoreU(hn::TruncateTo(du8, hn::Shr(word, byte)), du8, out + column);
  }
#else
  for (int64_t column = 0; column < kPanelColumns; ++column) out[column] = table[bits[column]];
#endif
}

/// Rows whose codes stand in a table.
void look_up(const Epilogue& e, int64_t first_row, int64_t count, int64_t first_column,
             const CodeTable& table, const float* sums) {
  const auto width = std::min(kPanelColumns, e.columns - first_column);
  uint16_t bits[kPanelColumns];
  for (int64_t row = 0; row < count; ++row) {
    auto* out = reinterpret_cast<uint8_t*>(e.out) + (first_row + row) * e.stride + first_column;
    fetch_ahead<1>(out + kRowsAhead * e.stride);
    store_bits(e, first_column, sums + row * kPanelColumns, bits);
    if (width == kPanelColumns) {
      look_up_row(table, bits, out);
    } else {
      for (int64_t column = 0; column < width; ++column) out[column] = table[bits[column]];
    }
  }
}

void fill_table(const Epilogue& e, int64_t column, CodeTable& table) {
  const Floats d;
  const auto lanes = hn::Lanes(d);
  const auto alpha = hn::Set(d, e.alpha == nullptr ? 1.0F : e.alpha[column]);
  const auto scale = hn::Set(d, e.out_scale[column]);
  uint16_t bits[16];
  for (size_t first = 0; first < table.size(); first += lanes) {
    for (size_t i = 0; i < lanes; ++i) bits[i] = static_cast<uint16_t>(first + i);
    const auto y = activated(d, e, alpha, load_as_f32(d, reinterpret_cast<hwy::float16_t*>(bits)));
    store_from_f32(d, hn::Div(y, scale), table.data() + first);
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
    fetch_ahead<1>(out + offset + kRowsAhead * e.stride);
    if (from != nullptr) fetch_ahead<0>(from + kRowsAhead * e.stride);
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
  const CodeTable* table = e.table(first_column);
  if (table != nullptr) return look_up(e, first_row, count, first_column, *table, sums);
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
HWY_EXPORT(fill_table);
HWY_EXPORT(store_indices);

void fill_code_table(const Epilogue& epilogue, int64_t column, CodeTable& table) {
  HWY_DYNAMIC_DISPATCH(fill_table)(epilogue, column, table);
}

void finish_rows(const Epilogue& epilogue, int64_t first_row, int64_t count, int64_t first_column,
                 const float* sums) {
#if defined(__x86_64__)
  if (uses_f16_arithmetic() && finish_rows_f16(epilogue, first_row, count, first_column, sums)) {
    return;
  }
#endif
  HWY_DYNAMIC_DISPATCH(finish_any)(epilogue, first_row, count, first_column, sums);
}

LookUps finish_to_indices(const Epilogue& epilogue, int64_t first_row, int64_t count,
                          int64_t first_column, const float* sums, uint16_t* indices) {
  HWY_DYNAMIC_DISPATCH(store_indices)(epilogue, count, first_column, sums, indices);
  auto* out = reinterpret_cast<uint8_t*>(epilogue.out);
  return {indices, epilogue.table(first_column)->data(),
          out + first_row * epilogue.stride + first_column, epilogue.stride, count};
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
