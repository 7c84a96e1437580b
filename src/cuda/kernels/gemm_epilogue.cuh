// A product cut into tiles, and what follows its sums: scales, bias, activation, residual,
// rounding, store. For every kernel whose sums lie as those of mma and wgmma do: lane 4r + t holds
// rows r and r + 8 and, of every 8 columns, 2t and 2t + 1. The weight's columns are permuted in
// groups of four strips (pack_weight), so that what a lane holds of one row and group is a strip of
// neighbouring columns.
//
// OUT_TYPE e4m3, f16 or f32; COLUMNS, PADDED_COLUMNS; ACTIVATION, a function below; RESIDUAL;
// COLUMN_SCALES: scales differ between columns; FACTOR: results are multiplied last;
// TRANSPOSED_FROM: columns from here on are stored transposed (COLUMNS: none).
#include "common.cuh"

constexpr int kStrip = sizeof(OUT_TYPE) == 1 ? 16 : 8;  // columns
constexpr int kGroup = 4 * kStrip;
constexpr bool kTransposes = TRANSPOSED_FROM < COLUMNS;
// Transposed stores take pairs of rows as one element: then a lane's rows are 2r and 2r + 1.
constexpr int kRowStep = kTransposes ? 1 : 8;

struct GemmArguments {
  const float* epilogue;  // [3, PADDED_COLUMNS]: scale, bias, factor
  const f16* residual;
  int64_t residual_pitch;
  OUT_TYPE* out;
  int64_t out_pitch;
  e4m3* transposed;
  int64_t transposed_pitch;
  int rows;
  int row_tiles;
  int tiles;
};

// Tiles in an order that keeps what blocks read at one time in the cache: bands of 8 tiles of rows,
// in each band column by column.
__device__ __forceinline__ void place_tile(const GemmArguments& g, int tile, int& row_tile,
                                           int& column_tile) {
  constexpr int kBand = 8, kBandTiles = kBand * ((COLUMNS + TILE_COLUMNS - 1) / TILE_COLUMNS);
  const int first = tile / kBandTiles * kBand, height = min(kBand, g.row_tiles - first);
  row_tile = first + tile % kBandTiles % height;
  column_tile = tile % kBandTiles / height;
}

// A lane's first row among the 16 of a warp's block, and its first column in a group.
__device__ __forceinline__ int lane_row() {
  return lane_id() / 4 * (kTransposes ? 2 : 1);
}
__device__ __forceinline__ int lane_column() {
  return lane_id() % 4 * kStrip;
}

// --- Activations ---

__device__ __forceinline__ float sigmoid(float x) {
  return __fdividef(1.f, 1.f + exp2f(-1.44269504f * x));
}
__device__ __forceinline__ float identity(float x, float) {
  return x;
}
__device__ __forceinline__ float quick_gelu(float x, float) {
  return x * sigmoid(1.702f * x);
}
// Takes 0.851 x and returns factor * 1.702 quick_gelu(x): x sigmoid(2y) = x/2 (1 + tanh(y)), one
// special function. Absolute error 2^-12 |x|, what E4M3 codes of the range hardly show.
__device__ __forceinline__ float quick_gelu_folded(float y, float factor) {
  float t;
  asm("tanh.approx.f32 %0, %1;" : "=f"(t) : "f"(y));
  const float half = y * factor;
  return fmaf(half, t, half);
}
// x Phi(x); the tail of Phi by Abramowitz and Stegun, 7.1.26: absolute error 7.5e-8.
__device__ __forceinline__ float gelu(float x, float) {
  const float z = fabsf(x) * 0.70710678f;
  const float t = __fdividef(1.f, fmaf(0.3275911f, z, 1.f));
  float p = fmaf(1.061405429f, t, -1.453152027f);
  p = fmaf(p, t, 1.421413741f);
  p = fmaf(p, t, -0.284496736f);
  p = fmaf(p, t, 0.254829592f) * t;
  const float tail = 0.5f * p * exp2f(-1.44269504f * z * z);
  return fmaf(-fminf(fabsf(x), 1e4f), tail, fmaxf(x, 0.f));
}
// (1 + tanh(y)) / 2 = sigmoid(2y).
__device__ __forceinline__ float gelu_tanh(float x, float) {
  return x * sigmoid(1.5957691f * fmaf(0.044715f * x * x, x, x));
}

// --- The numbers of a strip's columns ---

struct StripNumbers {
  static constexpr int kScales = COLUMN_SCALES ? kStrip : 1;
  float scale[kScales];
  float bias[kStrip];
  float factor;  // with FACTOR or a folded activation

  static __device__ __forceinline__ void load(const float* from, int column, float (&values)[1]) {
    values[0] = from[0];
  }
  template <int count>
  static __device__ __forceinline__ void load(const float* from, int column,
                                              float (&values)[count]) {
#pragma unroll
    for (int i = 0; i < count; i += 4) {
      const float4 four = *(const float4*)(from + column + i);
      values[i] = four.x, values[i + 1] = four.y, values[i + 2] = four.z, values[i + 3] = four.w;
    }
  }
  // Of the strip that begins at `column`; past the end, of any columns. Scales and biases may lie
  // elsewhere than the rest.
  __device__ __forceinline__ void load(const GemmArguments& g, const float* scales,
                                       const float* biases, int column) {
    column = min(column, PADDED_COLUMNS - kStrip);
    load(scales, column, scale);
    load(biases, column, bias);
    factor = g.epilogue[2 * PADDED_COLUMNS];
  }
  __device__ __forceinline__ void load(const GemmArguments& g, int column) {
    load(g, g.epilogue, g.epilogue + PADDED_COLUMNS, column);
  }
};

// The numbers of a lane's strips in a panel of `groups` groups: kept in registers,
template <int groups>
struct KeptNumbers {
  StripNumbers strips[groups];
  __device__ __forceinline__ KeptNumbers(const GemmArguments& g, int column) {
#pragma unroll
    for (int i = 0; i < groups; ++i) strips[i].load(g, column + i * kGroup);
  }
  __device__ __forceinline__ const StripNumbers& at(int group) const {
    return strips[group];
  }
};
// fetched (from the first-level cache) where they are used,
struct FetchedNumbers {
  const GemmArguments& g;
  int column;
  __device__ __forceinline__ FetchedNumbers(const GemmArguments& arguments, int first)
      : g(arguments), column(first) {}
  __device__ __forceinline__ StripNumbers at(int group) const {
    StripNumbers numbers;
    numbers.load(g, column + group * kGroup);
    return numbers;
  }
};

// or copied to shared memory, all columns, when the block starts.
struct SharedNumbers {
  const GemmArguments& g;
  const float* copy;
  int column;
  static constexpr int kCount = PADDED_COLUMNS * (COLUMN_SCALES ? 2 : 1);

  // By all threads; a barrier follows.
  static __device__ __forceinline__ void fill(const GemmArguments& g, float* copy) {
    const float* from = g.epilogue + (COLUMN_SCALES ? 0 : PADDED_COLUMNS);
    for (int i = threadIdx.x; i < kCount; i += blockDim.x) copy[i] = from[i];
  }
  __device__ __forceinline__ StripNumbers at(int group) const {
    StripNumbers numbers;
    numbers.load(g, COLUMN_SCALES ? copy : g.epilogue, copy + kCount - PADDED_COLUMNS,
                 column + group * kGroup);
    return numbers;
  }
};

// --- Memory ---

// Not through the read-only cache: the residual may be the output. No "memory" here and in store16:
// volatile keeps the two in order, and the epilogue's numbers may be loaded across them.
__device__ __forceinline__ uint4 load16(const void* p) {
  uint4 v;
  asm volatile("ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p));
  return v;
}
__device__ __forceinline__ void store16(void* p, uint4 v) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(p), "r"(v.x), "r"(v.y), "r"(v.z),
               "r"(v.w));
}

__device__ __forceinline__ bool inside(const GemmArguments& g, int row, int column) {
  return row < g.rows && (COLUMNS % TILE_COLUMNS == 0 || column < COLUMNS);
}

// What is added to a strip.
struct ResidualStrip {
  uint4 bits[kStrip / 8];

  __device__ __forceinline__ void load(const GemmArguments& g, int row, int column) {
    if (!RESIDUAL || !inside(g, row, column)) return;
    const int residual_row = RESIDUAL_ROWS > 0 ? row % max(RESIDUAL_ROWS, 1) : row;
    const f16* from = g.residual + residual_row * g.residual_pitch + column;
#pragma unroll
    for (int i = 0; i < kStrip / 8; ++i) bits[i] = load16(from + 8 * i);
  }
  __device__ __forceinline__ void add_to(float (&v)[kStrip]) const {
#pragma unroll
    for (int i = 0; i < kStrip / 8; ++i) {
      const uint32_t pairs[4] = {bits[i].x, bits[i].y, bits[i].z, bits[i].w};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float2 pair = unpack_f16x2(pairs[j]);
        v[8 * i + 2 * j] += pair.x;
        v[8 * i + 2 * j + 1] += pair.y;
      }
    }
  }
};

// A strip as it is stored.
struct PackedStrip {
  uint4 bits[kStrip * sizeof(OUT_TYPE) / 16];

  __device__ __forceinline__ void pack(const float (&v)[16]) {
    bits[0] =
        make_uint4(pack_e4m3x4(v[0], v[1], v[2], v[3]), pack_e4m3x4(v[4], v[5], v[6], v[7]),
                   pack_e4m3x4(v[8], v[9], v[10], v[11]), pack_e4m3x4(v[12], v[13], v[14], v[15]));
  }
  __device__ __forceinline__ void pack(const float (&v)[8]) {
    if (sizeof(OUT_TYPE) == 2) {
      bits[0] = make_uint4(pack_f16x2(v[0], v[1]), pack_f16x2(v[2], v[3]), pack_f16x2(v[4], v[5]),
                           pack_f16x2(v[6], v[7]));
      return;
    }
#pragma unroll
    for (int i = 0; i < kStrip * (int)sizeof(OUT_TYPE) / 16; ++i) {
      bits[i] = make_uint4(__float_as_uint(v[4 * i]), __float_as_uint(v[4 * i + 1]),
                           __float_as_uint(v[4 * i + 2]), __float_as_uint(v[4 * i + 3]));
    }
  }
  __device__ __forceinline__ void store(const GemmArguments& g, int row, int column) const {
    if (!inside(g, row, column)) return;
    uint8_t* to = (uint8_t*)(g.out + row * g.out_pitch + column);
#pragma unroll
    for (int i = 0; i < kStrip * (int)sizeof(OUT_TYPE) / 16; ++i) store16(to + 16 * i, bits[i]);
  }
};

// --- Finishing ---

__device__ __forceinline__ float finish_value(float sum, const StripNumbers& numbers, int j) {
  const int i = COLUMN_SCALES ? j : 0;
  return ACTIVATION(fmaf(sum, numbers.scale[i], numbers.bias[j]), numbers.factor);
}

// The strip of group `group` in row `half` (0, 1) of a lane, out of the sums of a whole tile row.
template <int count>
__device__ __forceinline__ void finish_strip(const float (&sums)[count], int group, int half,
                                             const StripNumbers& numbers,
                                             const ResidualStrip& residual, float (&v)[kStrip]) {
#pragma unroll
  for (int j = 0; j < kStrip; ++j) {
    v[j] = finish_value(sums[group * 2 * kStrip + j / 2 * 4 + half * 2 + j % 2], numbers, j);
  }
  if (RESIDUAL) residual.add_to(v);
#pragma unroll
  for (int j = 0; FACTOR && j < kStrip; ++j) v[j] *= numbers.factor;
}

// The strips of a tile row.
template <int groups>
struct ResidualTile {
  ResidualStrip strips[groups][2];
  __device__ __forceinline__ void load(const GemmArguments& g, int row, int column) {
#pragma unroll
    for (int i = 0; i < groups; ++i) {
      strips[i][0].load(g, row, column + i * kGroup);
      strips[i][1].load(g, row + kRowStep, column + i * kGroup);
    }
  }
};

// Exchanges rows and columns of an 8x8 matrix of 16-bit elements held by a warp.
__device__ __forceinline__ uint32_t transpose8x8(uint32_t v) {
  uint32_t r;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(v));
  return r;
}

// Strips of rows 2r and 2r + 1 to [feature, token]: a pair of tokens is one element, the warp's 16
// tokens and 8 features one matrix. Tokens past the end are stored as zeros, up to the block's 16.
__device__ __forceinline__ void store_transposed(const GemmArguments& g, float (&a)[kStrip],
                                                 float (&b)[kStrip], int row, int group_column) {
  const int block_row = row - lane_row();
  if (block_row >= g.rows || group_column >= PADDED_COLUMNS) return;  // the same for all lanes
  e4m3* to = g.transposed + block_row + lane_id() % 4 * 4 +
             (group_column - TRANSPOSED_FROM + lane_id() / 4) * g.transposed_pitch;
  const bool has_a = row < g.rows, has_b = row + 1 < g.rows;
#pragma unroll
  for (int j = 0; j < kStrip; j += 2) {
    const uint32_t pairs = pack_e4m3x4(has_a ? a[j] : 0.f, has_b ? b[j] : 0.f,
                                       has_a ? a[j + 1] : 0.f, has_b ? b[j + 1] : 0.f);
    *(uint32_t*)(to + j * 4 * g.transposed_pitch) = transpose8x8(pairs);
  }
}

// Finishes and stores what a lane holds of one tile row: `row` and `column` are the lane's first.
template <int groups, class Numbers>
__device__ __forceinline__ void finish_tile(const float (&sums)[groups * 2 * kStrip],
                                            const Numbers& numbers,
                                            const ResidualTile<groups>& residual,
                                            const GemmArguments& g, int row, int column) {
#pragma unroll
  for (int i = 0; i < groups; ++i) {
    const StripNumbers strip = numbers.at(i);
    float v[2][kStrip];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      finish_strip(sums, i, half, strip, residual.strips[i][half], v[half]);
    }
    const int group_column = column - lane_column() + i * kGroup;
    if (kTransposes && group_column >= TRANSPOSED_FROM) {
      store_transposed(g, v[0], v[1], row, group_column);
      continue;
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      PackedStrip packed;
      packed.pack(v[half]);
      packed.store(g, row + half * kRowStep, column + i * kGroup);
    }
  }
}
