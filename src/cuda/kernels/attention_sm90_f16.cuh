// Attention on Hopper: what FP16 operands need. Everything stays in its order: two columns of a
// score block are what the second product takes, and it reads V by rows.
#if !E4M3
constexpr int kStepKeys = 16;  // of the second product

__device__ constexpr int slot_of(int block, int t, int e) {
  return 8 * block + 2 * t + e;
}
__device__ constexpr int slot_of_row(int r, int b) {
  return r + 8 * b;
}
__device__ constexpr int feature_of_row(int r, int block) {
  return r + 8 * block;
}

template <typename D>
__device__ __forceinline__ void score_product(D& d, uint64_t a, uint64_t b, bool accumulate) {
  wgmma_f16(d, a, b, accumulate);
}
template <typename D>
__device__ __forceinline__ void score_product(D& d, uint64_t a, uint64_t b) {
  wgmma_f16(d, a, b);
}
template <typename D>
__device__ __forceinline__ void mix_product(D& o, const uint32_t (&p)[4], uint64_t v,
                                            bool accumulate) {
  wgmma_f16_transposed_b(o, p, v, accumulate);
}
template <typename D>
__device__ __forceinline__ void rest_mix_product(D& d, uint64_t v, uint64_t p, bool accumulate) {
  wgmma_f16_transposed_a(d, v, p, accumulate);
}

// Two probabilities, or the values of their codes.
__device__ __forceinline__ uint32_t pack_probabilities(float a, float b) {
  return QUANTIZED ? e4m3x4_to_f16x4(pack_e4m3x4(a, b, 0.f, 0.f)).x : pack_f16x2(a, b);
}
// Register `pair` of two rows' operand for step `group`.
template <typename Value>
__device__ __forceinline__ uint32_t operand(const Value& value, int group, int pair) {
  const int block = 2 * group + pair;
  return pack_probabilities(value(block, 0), value(block, 1));
}
// Rows of 128 bytes, swizzled as the copy engine would.
__device__ __forceinline__ void store_rest_code(uint32_t codes, int query, int slot, float p) {
  const int place = (slot / 8 & 7) ^ query;
  const uint32_t at = codes + slot / 64 * 1024 + query * 128 + place * 16 + slot % 8 * 2;
  asm volatile("st.shared.u16 [%0], %1;" ::"r"(at), "h"((uint16_t)pack_probabilities(p, 0.f))
               : "memory");
}

// v[2j + e] is this lane's column 2t + e of block j.
__device__ __forceinline__ void store_lane(const float (&v)[HEAD_DIM / 4], f16* row, int t) {
#pragma unroll
  for (int j = 0; j < HEAD_DIM / 8; ++j)
    *(uint32_t*)(row + 8 * j + 2 * t) = pack_f16x2(v[2 * j], v[2 * j + 1]);
}
__device__ __forceinline__ void store_lane(const float (&v)[HEAD_DIM / 4], e4m3* row, int t) {
#pragma unroll
  for (int j = 0; j < HEAD_DIM / 8; ++j)
    *(uint16_t*)(row + 8 * j + 2 * t) = (uint16_t)pack_e4m3x4(v[2 * j], v[2 * j + 1], 0.f, 0.f);
}
#endif
