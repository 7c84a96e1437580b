// Epilogues of FP16 graphs with AVX512-FP16. Compiled for that instruction set
// (cmake/cpu_kernels.cmake), so nothing here may be visible to other translation units but
// `finish_rows_f16`.
#include "cpu/epilogue_f16.h"

#include <immintrin.h>

namespace octet::cpu {
namespace {

/// Rows are asked for so many rows ahead: they lie far apart, so that the processor does not
/// foresee them.
constexpr int64_t kRowsAhead = 8;

__m512h joined(__m256h low, __m256h high) {
  return _mm512_castsi512_ph(_mm512_inserti64x4(_mm512_castsi256_si512(_mm256_castph_si256(low)),
                                                _mm256_castph_si256(high), 1));
}

__m512h narrow(const float* values) {
  return joined(_mm512_cvtxps_ph(_mm512_load_ps(values)),
                _mm512_cvtxps_ph(_mm512_load_ps(values + 16)));
}

bool are_f16(const float* values) {
  __mmask16 equal = 0xFFFF;
  for (int64_t i = 0; i < kPanelColumns; i += 16) {
    const __m512 value = _mm512_load_ps(values + i);
    const __m512 rounded = _mm512_cvtxph_ps(_mm512_cvtxps_ph(value));
    equal &= _mm512_cmp_ps_mask(value, rounded, _CMP_EQ_OQ);
  }
  return equal == 0xFFFF;
}

/// scale * sum + bias of a panel's columns, both steps rounded.
class ShiftedSums {
 public:
  ShiftedSums(const Epilogue& e, int64_t column)
      : left_scale_(_mm512_load_ps(e.scale + column)),
        right_scale_(_mm512_load_ps(e.scale + column + 16)),
        has_bias_(e.bias != nullptr),
        bias_(has_bias_ ? narrow(e.bias + column) : _mm512_setzero_ph()) {}

  [[nodiscard]] __m512h operator()(const float* sums) const {
    const __m512h y =
        joined(_mm512_cvtxps_ph(_mm512_mul_ps(_mm512_load_ps(sums), left_scale_)),
               _mm512_cvtxps_ph(_mm512_mul_ps(_mm512_load_ps(sums + 16), right_scale_)));
    return has_bias_ ? _mm512_add_ph(y, bias_) : y;  // -0 + 0 would be +0
  }

 private:
  __m512 left_scale_;
  __m512 right_scale_;
  bool has_bias_;
  __m512h bias_;
};

/// The codes of 16 numbers, gathered by words.
__m128i look_up(const CodeTable* table, __m256i bits) {
  const __m512i index = _mm512_cvtepu16_epi32(bits);
  const __m512i words = _mm512_i32gather_epi32(_mm512_srli_epi32(index, 2), table, 4);
  const __m512i byte = _mm512_and_si512(index, _mm512_set1_epi32(3));
  return _mm512_cvtepi32_epi8(_mm512_srlv_epi32(words, _mm512_slli_epi32(byte, 3)));
}

void store_codes(const Epilogue& e, const CodeTable* table, int64_t first_row, int64_t count,
                 int64_t column, const float* sums) {
  const ShiftedSums shifted(e, column);
  std::byte* out = e.out + first_row * e.stride + column;
  for (int64_t row = 0; row < count; ++row, sums += kPanelColumns, out += e.stride) {
    __builtin_prefetch(out + kRowsAhead * e.stride, 1);
    const __m512i bits = _mm512_castph_si512(shifted(sums));
    const __m128i left = look_up(table, _mm512_castsi512_si256(bits));
    const __m128i right = look_up(table, _mm512_extracti64x4_epi64(bits, 1));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_set_m128i(right, left));
  }
}

void store_f16(const Epilogue& e, int64_t first_row, int64_t count, int64_t column,
               const float* sums) {
  const ShiftedSums shifted(e, column);
  const int64_t offset = 2 * (first_row * e.stride + column);
  const int64_t row_bytes = 2 * e.stride;
  std::byte* out = e.out + offset;
  const std::byte* residual = e.residual == nullptr ? nullptr : e.residual + offset;
  for (int64_t row = 0; row < count; ++row, sums += kPanelColumns, out += row_bytes) {
    __builtin_prefetch(out + kRowsAhead * row_bytes, 1);
    __m512h y = shifted(sums);
    if (residual != nullptr) {
      __builtin_prefetch(residual + kRowsAhead * row_bytes);
      y = _mm512_add_ph(y, _mm512_loadu_ph(residual));
      residual += row_bytes;
    }
    _mm512_storeu_ph(out, y);
  }
}

/// Whether the numbers behind the bias are stored as they are, after a residual.
bool stores_f16(const Epilogue& e) {
  return e.out_dtype == DType::f16 && e.activation == Activation::none && e.alpha == nullptr &&
         (e.residual == nullptr || e.residual_dtype == DType::f16);
}

}  // namespace

bool finish_rows_f16(const Epilogue& epilogue, int64_t first_row, int64_t count,
                     int64_t first_column, const float* sums) {
  const Epilogue& e = epilogue;
  const bool whole = first_column + kPanelColumns <= e.columns;
  if (!whole || !e.f16_steps) return false;
  if (e.bias != nullptr && !are_f16(e.bias + first_column)) return false;
  // Not by `Epilogue::table`, which other units share.
  const CodeTable* table = e.tables == nullptr ? nullptr : e.tables[first_column / kPanelColumns];
  if (table != nullptr) {
    store_codes(e, table, first_row, count, first_column, sums);
    return true;
  }
  if (!stores_f16(e)) return false;
  store_f16(e, first_row, count, first_column, sums);
  return true;
}

}  // namespace octet::cpu
