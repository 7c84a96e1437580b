// Attention on Hopper: what E4M3 operands need.
//
// The order of keys. A score block of 8 columns gives lane t of a quad columns 2t and 2t + 1, the
// second product wants four neighbouring keys of a lane in one register. K is therefore read in an
// order in which column 16g + 8b + 2t + e is slot 16g + 4t + 2b + e; the copy engine does it with a
// map of five dimensions. Slot s is key s - shift: V comes transposed and without gaps between
// samples, and copies start at multiples of 16, so the window of slots starts up to 15 keys before
// the sample.
//
// The order of features. The rows of the transposed V are ordered (value_row_order in
// cuda/attention.h) so that a lane owns HEAD_DIM / 4 neighbouring features of the output.
#if E4M3
constexpr int kStepKeys = 32;                // of the second product
constexpr int kChunkBytes = HEAD_DIM * 128;  // of V: 128 keys
constexpr int kLaneFeatures = HEAD_DIM / 4;
__device__ constexpr int slot_of(int block, int t, int e) {
  return block / 2 * 16 + block % 2 * 2 + 4 * t + e;
}
// Row r + 8b of 16 rows of K, and the feature in row r of block b of 8 rows of V.
__device__ constexpr int slot_of_row(int r, int b) {
  return r / 2 * 4 + r % 2 + 2 * b;
}
__device__ constexpr int feature_of_row(int r, int block) {
  return r / 2 * kLaneFeatures + r % 2 + 2 * block;
}

template <typename D>
__device__ __forceinline__ void score_product(D& d, uint64_t a, uint64_t b, bool accumulate) {
  wgmma_e4m3(d, a, b, accumulate);
}
template <typename D>
__device__ __forceinline__ void score_product(D& d, uint64_t a, uint64_t b) {
  wgmma_e4m3(d, a, b);
}
template <typename D>
__device__ __forceinline__ void mix_product(D& o, const uint32_t (&p)[4], uint64_t v,
                                            bool accumulate) {
  wgmma_e4m3(o, p, v, accumulate);
}
template <typename D>
__device__ __forceinline__ void rest_mix_product(D& d, uint64_t v, uint64_t p, bool accumulate) {
  wgmma_e4m3(d, v, p, accumulate);
}

// Register `pair` of two rows' operand for step `group`.
template <typename Value>
__device__ __forceinline__ uint32_t operand(const Value& value, int group, int pair) {
  const int block = 4 * group + 2 * pair;
  return pack_e4m3x4(value(block, 0), value(block, 1), value(block + 1, 0), value(block + 1, 1));
}
// Rows of 128 bytes, swizzled as the copy engine would.
__device__ __forceinline__ void store_rest_code(uint32_t codes, int query, int slot, float p) {
  const int place = (slot / 16 & 7) ^ query;
  store_shared_byte(codes + slot / 128 * 1024 + query * 128 + place * 16 + slot % 16,
                    pack_e4m3x4(p, 0.f, 0.f, 0.f));
}

// v[2j + e] is this lane's column 2t + e of block j.
__device__ __forceinline__ void store_lane(const float (&v)[kLaneFeatures], e4m3* row, int t) {
  e4m3* const y = row + kLaneFeatures * t;
  uint32_t codes[kLaneFeatures / 4];
#pragma unroll
  for (int i = 0; i < kLaneFeatures / 4; ++i)
    codes[i] = pack_e4m3x4(v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]);
  if constexpr (kLaneFeatures % 16 == 0) {
#pragma unroll
    for (int i = 0; i < kLaneFeatures / 16; ++i)
      ((uint4*)y)[i] =
          make_uint4(codes[4 * i], codes[4 * i + 1], codes[4 * i + 2], codes[4 * i + 3]);
  } else {
#pragma unroll
    for (int i = 0; i < kLaneFeatures / 4; ++i) ((uint32_t*)y)[i] = codes[i];
  }
}
__device__ __forceinline__ void store_lane(const float (&v)[kLaneFeatures], f16* row, int t) {
  f16* const y = row + kLaneFeatures * t;
#pragma unroll
  for (int i = 0; i < kLaneFeatures / 4; ++i)
    ((uint2*)y)[i] =
        make_uint2(pack_f16x2(v[4 * i], v[4 * i + 1]), pack_f16x2(v[4 * i + 2], v[4 * i + 3]));
}
#endif
