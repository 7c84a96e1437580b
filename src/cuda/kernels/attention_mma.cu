// Attention with warp-level matrix instructions, for every architecture and every shape.
//
// A block takes 16 * WARPS query rows of one sample and head at a time, a warp 16 of them. Keys and
// values stream through one shared buffer, kKeyTile rows at a time, as FP16: E4M3 codes are exact
// there. The graph quantizes the normalised probability, so a row's maximum and sum come first:
//  - kResident: the scores of all MAX_KEYS keys stay in registers; keys pass once;
//  - otherwise keys pass twice, first for maximum and sum, then for the probabilities.
//
// Defines: T, Y (f16 or e4m3), HEADS, HEAD_DIM (a multiple of 8), Q_PITCH, K_PITCH, V_PITCH (from
// row to row, in elements), MAX_KEYS, WARPS, CAUSAL, RAGGED (samples by `ranges`,
// otherwise of `rows` rows each), POOLED (one query row a sample), QUANTIZED (probabilities).
#include "common.cuh"
#include "mma_sync.cuh"

constexpr int kThreads = 32 * WARPS;
constexpr int kQueryTile = 16 * WARPS;
// All keys of a short sample at once; otherwise few enough for what a thread has on its way.
constexpr int kAllKeys = (MAX_KEYS + 15) / 16 * 16;
constexpr bool kResident = kAllKeys <= 128;
constexpr int kKeyTile = WARPS == 1 ? 32 : kResident ? kAllKeys : HEAD_DIM > 96 ? 32 : 64;
constexpr int kDim = (HEAD_DIM + 15) / 16 * 16;  // the rest are zeros
constexpr int kPitch = kDim + 8;                 // 16-byte groups of 8 rows in 8 bank groups
constexpr int kTileBlocks = kKeyTile / 8;        // of 8 keys
constexpr int kRowVectors = kDim / 8;
constexpr int kLoads = (kKeyTile * kRowVectors + kThreads - 1) / kThreads;  // a thread and tile
constexpr int kKeyBlocks = kAllKeys / 8;                                    // of 8 keys, in all
// More blocks at a time hide latency, where they do not cost spills.
constexpr int kThreadsAtATime = kDim * sizeof(T) > 64 || WARPS < 3 ? kThreads
                                : !kResident                       ? 384
                                : WARPS < 5                        ? 128 * WARPS
                                : CAUSAL && __CUDA_ARCH__ >= 900   ? 640
                                                                   : 480;
constexpr int kBlocksAtATime = kThreadsAtATime / kThreads;
constexpr float kLog2e = 1.4426950408889634f;
constexpr float kNone = -1e38f;  // the score of a key that counts for nothing

// Eight values as they lie in memory, and as FP16.
__device__ __forceinline__ void load_vector(const e4m3* p, uint2& v) {
  v = *(const uint2*)p;
}
__device__ __forceinline__ void load_vector(const f16* p, uint4& v) {
  v = *(const uint4*)p;
}
__device__ __forceinline__ uint4 widened(uint4 v) {
  return v;
}
__device__ __forceinline__ uint4 widened(uint2 v) {
  const uint2 low = e4m3x4_to_f16x4(v.x), high = e4m3x4_to_f16x4(v.y);
  return make_uint4(low.x, low.y, high.x, high.y);
}
__device__ __forceinline__ void store2(e4m3* p, float a, float b) {
  *(uint16_t*)p = (uint16_t)pack_e4m3x4(a, b, 0.f, 0.f);
}
__device__ __forceinline__ void store2(f16* p, float a, float b) {
  *(uint32_t*)p = pack_f16x2(a, b);
}
template <typename Element>
struct VectorOf;
template <>
struct VectorOf<e4m3> {
  using type = uint2;
};
template <>
struct VectorOf<f16> {
  using type = uint4;
};

// Where the vectors of a tile lie that a thread takes: row and column of its i-th.
__device__ __forceinline__ int vector_row(int i) {
  if (kThreads % kRowVectors != 0) return (threadIdx.x + i * kThreads) / kRowVectors;
  return threadIdx.x / kRowVectors + i * (kThreads / kRowVectors);
}
__device__ __forceinline__ int vector_column(int i) {
  if (kThreads % kRowVectors != 0) return (threadIdx.x + i * kThreads) % kRowVectors * 8;
  return threadIdx.x % kRowVectors * 8;
}

// A tile on its way from memory to the shared buffer: fetched early, stored when the buffer is
// free.
template <int pitch>
struct Fetched {
  typename VectorOf<T>::type vectors[kLoads];

  // Rows [first, first + kKeyTile) of `count`; the rest are zeros.
  __device__ __forceinline__ void fetch(const T* rows, int first, int count) {
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      const int row = vector_row(i), column = vector_column(i);
      vectors[i] = {};
      if (row < min(kKeyTile, count - first) && column < HEAD_DIM)
        load_vector(rows + (int64_t)first * pitch + row * pitch + column, vectors[i]);
    }
  }
  __device__ __forceinline__ void store(uint16_t* buffer) const {
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      if (vector_row(i) < kKeyTile)
        *(uint4*)(buffer + vector_row(i) * kPitch + vector_column(i)) = widened(vectors[i]);
    }
  }
};

__device__ __forceinline__ void load_query_tile(uint16_t* buffer, const T* rows, int first,
                                                int count) {
  for (int at = threadIdx.x; at < kQueryTile * kRowVectors; at += kThreads) {
    const int row = first + at / kRowVectors, column = at % kRowVectors * 8;
    typename VectorOf<T>::type vector = {};
    if (row < count && column < HEAD_DIM)
      load_vector(rows + (int64_t)row * Q_PITCH + column, vector);
    *(uint4*)(buffer + at / kRowVectors * kPitch + column) = widened(vector);
  }
}

__device__ constexpr int blocks_of(int tile) {
  return kKeyBlocks - tile * kTileBlocks < kTileBlocks ? kKeyBlocks - tile * kTileBlocks
                                                       : kTileBlocks;
}

// What a block works on.
struct Sample {
  int begin;  // first row of k and v
  int rows;   // of k and v
  int query_begin;
  int query_rows;
};
__device__ __forceinline__ Sample sample_at(int index, const int32_t* ranges, int rows) {
  Sample s;
  s.begin = RAGGED ? ranges[2 * index] : index * rows;
  s.rows = RAGGED ? ranges[2 * index + 1] - s.begin : rows;
  s.query_begin = POOLED ? index : s.begin;
  s.query_rows = POOLED ? 1 : s.rows;
  return s;
}

// A warp's 16 query rows. Element 2h+e of a block of 8 keys is row lane/4 + 8h, key 2t+e, t =
// lane%4.
struct Rows {
  int first;  // row of half 0 in this lane
  int keys;
  int seen;       // of these by any row of the warp; a multiple of 16 at most is computed
  float factor;   // from the product of codes to the exponent of 2
  float peak[2];  // highest product
  float sum[2];   // of the exponentials, this lane's part

  __device__ __forceinline__ bool behind(int first_key, int block) const {
    if (!CAUSAL && !RAGGED) return first_key + block / 2 * 16 >= kAllKeys;
    return first_key + block / 2 * 16 >= seen;
  }
};
using Block = float[4];

__device__ __forceinline__ void load_queries(uint32_t (&q)[kDim / 16][4], const uint16_t* rows) {
  const uint32_t at = shared_address(rows + (lane_id() & 15) * kPitch + (lane_id() >> 4) * 8);
#pragma unroll
  for (int k = 0; k < kDim / 16; ++k) load_matrices(q[k], at + k * 32);
}

// Below, `x` is `blocks` blocks from key `first_key` on; `blocks` is a constant wherever it
// appears. Pairs of blocks behind the last key that the warp sees are left out.

// Scores above the diagonal or behind the sample's end count for nothing. (Causal rows behind the
// end are computed, but not stored.)
__device__ __forceinline__ void mask_tile(Block* x, int blocks, const Rows& rows, int first_key) {
#pragma unroll
  for (int j = 0; j < blocks; ++j) {
    if (rows.behind(first_key, j)) break;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int key = first_key + 8 * j + 2 * (lane_id() & 3) + (i & 1);
      if (CAUSAL ? key > rows.first + i / 2 * 8 : key >= rows.keys) x[j][i] = kNone;
    }
  }
}

// Scores of the warp's rows and the keys in `buffer`.
__device__ __forceinline__ void score_tile(Block* x, int blocks, const uint32_t (&q)[kDim / 16][4],
                                           const uint16_t* buffer, const Rows& rows,
                                           int first_key) {
  const int lane = lane_id();
  const uint32_t at =
      shared_address(buffer + ((lane & 7) + (lane >> 4) * 8) * kPitch + (lane >> 3 & 1) * 8);
#pragma unroll
  for (int j = 0; j < blocks; j += 2) {
    if (rows.behind(first_key, j)) break;
#pragma unroll
    for (int i = 0; i < 4; ++i) x[j][i] = x[j + 1][i] = 0.f;
#pragma unroll
    for (int k = 0; k < kDim / 16; ++k) {
      uint32_t b[4];
      load_matrices(b, at + j * 8 * kPitch * 2 + k * 32);
      mma_f16(x[j], q[k], b[0], b[1]);
      mma_f16(x[j + 1], q[k], b[2], b[3]);
    }
  }
  const bool edge = first_key + 8 * blocks > (CAUSAL ? rows.first : rows.keys);
  if (__any_sync(~0u, edge)) mask_tile(x, blocks, rows, first_key);
}

// Raises the peak to the highest of these scores, and scales the sum so far to it. Every row sees
// key 0, so the peak is finite from the first tile on.
__device__ __forceinline__ void raise_peak(const Block* x, int blocks, Rows& rows, int first_key) {
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float peak = rows.peak[h];
#pragma unroll
    for (int j = 0; j < blocks; ++j) {
      if (rows.behind(first_key, j)) break;
      peak = fmaxf(peak, fmaxf(x[j][2 * h], x[j][2 * h + 1]));
    }
    peak = quad_max(peak);
    rows.sum[h] *= exp2f((rows.peak[h] - peak) * rows.factor);
    rows.peak[h] = peak;
  }
}

// Scores become exponentials, which are added to the sums.
__device__ __forceinline__ void exponentiate(Block* x, int blocks, Rows& rows, int first_key) {
#pragma unroll
  for (int j = 0; j < blocks; ++j) {
    if (rows.behind(first_key, j)) break;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      x[j][i] = exp2f(fmaf(x[j][i], rows.factor, -rows.peak[i / 2] * rows.factor));
      rows.sum[i / 2] += x[j][i];
    }
  }
}

// From exponentials to the operand of the second product.
struct Normaliser {
  float inverse[2];  // of the sums, with the codes' scale

  __device__ __forceinline__ Normaliser(const Rows& rows, float inverse_scale) {
#pragma unroll
    for (int h = 0; h < 2; ++h) inverse[h] = inverse_scale / quad_sum(rows.sum[h]);
  }
  // Normalised probabilities of 16 keys as FP16, or the values of their codes.
  __device__ __forceinline__ void operand(uint32_t (&p)[4], const Block& a, const Block& b) const {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float v[4] = {a[2 * h], a[2 * h + 1], b[2 * h], b[2 * h + 1]};
#pragma unroll
      for (int i = 0; i < 4; ++i) v[i] *= inverse[h];
      const uint2 pairs = QUANTIZED ? e4m3x4_to_f16x4(pack_e4m3x4(v[0], v[1], v[2], v[3]))
                                    : make_uint2(pack_f16x2(v[0], v[1]), pack_f16x2(v[2], v[3]));
      p[h] = pairs.x;
      p[2 + h] = pairs.y;
    }
  }
};

// o += P V for the rows of V in `buffer`.
__device__ __forceinline__ void mix_tile(float (&o)[kDim / 8][4], const Block* x, int blocks,
                                         const uint16_t* buffer, const Rows& rows, int first_key,
                                         const Normaliser& normaliser) {
  const uint32_t at = shared_address(buffer + (lane_id() & 15) * kPitch + (lane_id() >> 4) * 8);
#pragma unroll
  for (int j = 0; j < blocks; j += 2) {
    if (rows.behind(first_key, j)) break;
    uint32_t p[4];
    normaliser.operand(p, x[j], x[j + 1]);
#pragma unroll
    for (int d = 0; d < kDim / 16; ++d) {
      uint32_t b[4];
      load_matrices_transposed(b, at + j * 8 * kPitch * 2 + d * 32);
      mma_f16(o[2 * d], p, b[0], b[1]);
      mma_f16(o[2 * d + 1], p, b[2], b[3]);
    }
  }
}

// Turns the warp's rows around in its part of the buffer, so that they are stored in whole vectors.
__device__ __forceinline__ void store_rows(const float (&o)[kDim / 8][4], uint16_t* buffer, Y* y,
                                           int rows, float factor) {
  const int lane = lane_id();
  Y* staged = (Y*)buffer;
  __syncwarp();
#pragma unroll
  for (int d = 0; d < kDim / 8; ++d) {
#pragma unroll
    for (int h = 0; h < 2; ++h)
      store2(staged + (lane / 4 + 8 * h) * kPitch + d * 8 + 2 * (lane & 3), o[d][2 * h] * factor,
             o[d][2 * h + 1] * factor);
  }
  __syncwarp();
  using Vector = typename VectorOf<Y>::type;
  for (int at = lane; at < 16 * (HEAD_DIM / 8); at += 32) {
    const int row = at / (HEAD_DIM / 8), column = at % (HEAD_DIM / 8) * 8;
    if (row < rows)
      *(Vector*)(y + (size_t)row * (HEADS * HEAD_DIM) + column) =
          *(const Vector*)(staged + row * kPitch + column);
  }
}

struct Parameters {
  const T* q;
  const T* k;
  const T* v;
  const int32_t* ranges;  // [batch, 2]: a sample's first row and the row behind its last
  Y* y;                   // [tokens, HEADS * HEAD_DIM]
  int rows;               // of every sample, without ranges
  int blocks;             // that share the rows of one sample and head
  float score_factor;     // from the product of codes to the score
  float inverse_softmax_scale;
  float value_factor;  // from the product of codes to what is stored
};

// One tile of query rows, from row `first` of the sample on.
__device__ __forceinline__ void attend(const Parameters& p, const Sample& sample, int head,
                                       int first, uint16_t* shared) {
  uint16_t* const buffer = shared + kQueryTile * kPitch;
  const T* const k = p.k + (int64_t)sample.begin * K_PITCH + head * HEAD_DIM;
  const T* const v = p.v + (int64_t)sample.begin * V_PITCH + head * HEAD_DIM;
  const int tiles =
      ((CAUSAL ? min(sample.rows, first + kQueryTile) : sample.rows) + kKeyTile - 1) / kKeyTile;
  Fetched<K_PITCH> keys;
  Fetched<V_PITCH> values;
  const auto fetch_keys = [&](int tile) { keys.fetch(k, tile * kKeyTile, sample.rows); };
  const auto fetch_values = [&](int tile) { values.fetch(v, tile * kKeyTile, sample.rows); };
  const auto publish = [&](const auto& tile) {
    __syncthreads();  // the tile before has been read
    tile.store(buffer);
    __syncthreads();
  };

  fetch_keys(0);
  load_query_tile(shared, p.q + (int64_t)sample.query_begin * Q_PITCH + head * HEAD_DIM, first,
                  sample.query_rows);
  __syncthreads();
  const int row = first + threadIdx.x / 32 * 16;
  uint16_t* const own = shared + (row - first) * kPitch;
  uint32_t q[kDim / 16][4];
  load_queries(q, own);
  const bool active = row < sample.query_rows;
  Rows rows{row + lane_id() / 4, sample.rows, CAUSAL ? min(sample.rows, row + 16) : sample.rows,
            kLog2e * p.score_factor};
  rows.peak[0] = rows.peak[1] = kNone;
  rows.sum[0] = rows.sum[1] = 0.f;
  float o[kDim / 8][4] = {};

#if MAX_KEYS <= 128
  fetch_values(0);
  constexpr int kTiles = (MAX_KEYS + kKeyTile - 1) / kKeyTile;
  float x[kKeyBlocks][4];
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
    if (tile > 0 && tile >= tiles) continue;
    publish(keys);
    if (tile + 1 < kTiles && tile + 1 < tiles) fetch_keys(tile + 1);
    if (!active) continue;
    Block* const part = x + tile * kTileBlocks;
    score_tile(part, blocks_of(tile), q, buffer, rows, tile * kKeyTile);
    raise_peak(part, blocks_of(tile), rows, tile * kKeyTile);
  }
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile)
    if ((tile == 0 || tile < tiles) && active)
      exponentiate(x + tile * kTileBlocks, blocks_of(tile), rows, tile * kKeyTile);
  const Normaliser normaliser(rows, p.inverse_softmax_scale);
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
    if (tile > 0 && tile >= tiles) continue;
    publish(values);
    if (tile + 1 < kTiles && tile + 1 < tiles) fetch_values(tile + 1);
    if (active)
      mix_tile(o, x + tile * kTileBlocks, blocks_of(tile), buffer, rows, tile * kKeyTile,
               normaliser);
  }
#else
  float x[kTileBlocks][4];
#pragma unroll 1
  for (int tile = 0; tile < tiles; ++tile) {
    publish(keys);
    fetch_keys(tile + 1 < tiles ? tile + 1 : 0);
    if (!active) continue;
    score_tile(x, kTileBlocks, q, buffer, rows, tile * kKeyTile);
    raise_peak(x, kTileBlocks, rows, tile * kKeyTile);
    exponentiate(x, kTileBlocks, rows, tile * kKeyTile);
  }
  const Normaliser normaliser(rows, p.inverse_softmax_scale);
#pragma unroll 1
  for (int tile = 0; tile < tiles; ++tile) {
    publish(keys);
    fetch_values(tile);
    if (active) {
      score_tile(x, kTileBlocks, q, buffer, rows, tile * kKeyTile);
      exponentiate(x, kTileBlocks, rows, tile * kKeyTile);
    }
    publish(values);
    if (tile + 1 < tiles) fetch_keys(tile + 1);
    if (active) mix_tile(o, x, kTileBlocks, buffer, rows, tile * kKeyTile, normaliser);
  }
#endif
  if (active)
    store_rows(o, own,
               p.y + (size_t)(sample.query_begin + row) * (HEADS * HEAD_DIM) + head * HEAD_DIM,
               sample.query_rows - row, p.value_factor);
}

extern "C" __global__ void __launch_bounds__(kThreads, kBlocksAtATime)
    attention_mma(const Parameters p) {
  extern __shared__ __align__(16) uint16_t shared[];
  start_next_kernel();
  wait_for_previous_kernel();
  const int item = blockIdx.x / p.blocks;
  const Sample sample = sample_at(item / HEADS, p.ranges, p.rows);
#pragma unroll 1
  for (int first = blockIdx.x % p.blocks * kQueryTile; first < sample.query_rows;
       first += p.blocks * kQueryTile) {
    attend(p, sample, item % HEADS, first, shared);
    __syncthreads();
  }
}
