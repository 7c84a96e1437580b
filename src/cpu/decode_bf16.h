#pragma once

// E4M3 codes to BF16 with two byte tables (AVX-512 VBMI). Only for translation units that are
// compiled for it: everything here has internal linkage, because the units are compiled for
// different instruction sets and the linker must not give one the code of another.

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "cpu/packing.h"

namespace octet::cpu {
namespace {

/// BF16 bits of a code without its sign. Every E4M3 value is a normal BF16 value or zero.
constexpr uint16_t bf16_of_magnitude(uint8_t code) {
  if (code == 0x7F) return 0x7FC0;
  if (code >= 8) return static_cast<uint16_t>((code << 4) + (120 << 7));
  if (code == 0) return 0;
  int shift = 0;  // code * 2^-9, brought to the form 1.xxx * 2^(-6 - shift)
  while ((code << shift) < 8) ++shift;
  return static_cast<uint16_t>(((121 - shift) << 7) | (((code << shift) & 7) << 4));
}

struct alignas(64) DecodeTables {
  uint8_t low[128];
  uint8_t high[128];
};

constexpr DecodeTables make_decode_tables() {
  DecodeTables tables{};
  for (int code = 0; code < 128; ++code) {
    const uint16_t bits = bf16_of_magnitude(static_cast<uint8_t>(code));
    tables.low[code] = static_cast<uint8_t>(bits & 0xFF);
    tables.high[code] = static_cast<uint8_t>(bits >> 8);
  }
  return tables;
}

inline constexpr DecodeTables kDecodeTables = make_decode_tables();

/// The tables in registers.
class Decoder {
 public:
  Decoder()
      : low0_(_mm512_load_si512(kDecodeTables.low)),
        low1_(_mm512_load_si512(kDecodeTables.low + 64)),
        high0_(_mm512_load_si512(kDecodeTables.high)),
        high1_(_mm512_load_si512(kDecodeTables.high + 64)) {}

  /// 64 codes to 64 BF16 values in the same order: `first` and `second` 32.
  void decode(__m512i codes, __m512i& first, __m512i& second) const {
    // Groups of eight codes go where the unpacking of 128-bit lanes wants them.
    const __m512i grouped =
        _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), codes);
    const __m512i low = _mm512_permutex2var_epi8(low0_, grouped, low1_);
    const __m512i high = _mm512_permutex2var_epi8(high0_, grouped, high1_);
    constexpr int kOrMasked = 0xF8;  // a | (b & c)
    const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
    const __m512i signed_high = _mm512_ternarylogic_epi64(high, grouped, sign, kOrMasked);
    first = _mm512_unpacklo_epi8(low, signed_high);
    second = _mm512_unpackhi_epi8(low, signed_high);
  }

 private:
  __m512i low0_;
  __m512i low1_;
  __m512i high0_;
  __m512i high1_;
};

/// `count` consecutive codes to BF16. Asks for the codes that lie `ahead` bytes further on, if that
/// is not 0.
inline void decode_codes(const std::byte* codes, int64_t count, std::byte* target, int64_t ahead) {
  const Decoder decoder;
  __m512i first;
  __m512i second;
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    if (ahead != 0) _mm_prefetch(codes + i + ahead, _MM_HINT_T1);
    decoder.decode(_mm512_loadu_si512(codes + i), first, second);
    _mm512_storeu_si512(target + 2 * i, first);
    _mm512_storeu_si512(target + 2 * i + 64, second);
  }
  if (i == count) return;
  const uint64_t present = ~uint64_t{0} >> (64 - (count - i));
  decoder.decode(_mm512_maskz_loadu_epi8(present, codes + i), first, second);
  _mm512_mask_storeu_epi16(target + 2 * i, static_cast<__mmask32>(present), first);
  _mm512_mask_storeu_epi16(target + 2 * i + 64, static_cast<__mmask32>(present >> 32), second);
}

/// Codes (`ahead` as above) or BF16 values to BF16.
inline void decode_bf16(DType dtype, const std::byte* source, int64_t count, std::byte* target,
                        int64_t ahead) {
  if (dtype == DType::f8e4m3) return decode_codes(source, count, target, ahead);
  std::memcpy(target, source, static_cast<size_t>(count) * 2);
}

inline void decode_row_bf16(DType dtype, const std::byte* source, int64_t count,
                            std::byte* target) {
  decode_bf16(dtype, source, count, target, 0);
}

/// How far ahead of the codes that are decoded others are asked for: codes that nobody has asked
/// for before are decoded in two thirds of the time so.
inline constexpr int64_t kCodesAhead = 8192;

/// Packed panels keep the order of pairs, so a panel is one long row.
template <int DepthMultiple>
void decode_panel_bf16(DType dtype, const std::byte* packed, int64_t depth, std::byte* target) {
  const int64_t pairs = (depth + 1) / 2;
  const int64_t padded = (depth + DepthMultiple - 1) / DepthMultiple * DepthMultiple / 2;
  decode_bf16(dtype, packed, pairs * 2 * kPanelColumns, target, kCodesAhead);
  std::memset(target + pairs * 4 * kPanelColumns, 0,
              static_cast<size_t>((padded - pairs) * 4 * kPanelColumns));
}

}  // namespace
}  // namespace octet::cpu
