// Attention on Hopper in one pass: the scores of 64 query rows and all keys stay in registers.
//
// Two warpgroups multiply; a third loads (K, Q and V of one sample and head are an item, a stage in
// shared memory) and computes the rows behind the last full tile of 64. A tile's phases - maximum,
// exponentials, packing - are each bound by another pipe, so the two warpgroups take turns with the
// exponentials: left alone they fall into step, and the phases add up instead of overlapping.
//
// Defines: those of attention_sm90.cuh and the layout of a stage (Sm90Layout in
// cuda/attention_sm90.cpp).
#include "attention_sm90.cuh"

constexpr int kFullTiles = ROWS / 64;
constexpr int kRestRows = ROWS % 64;
constexpr int kBlocks = SCORE_COLUMNS / 8;
constexpr int kScores = SCORE_COLUMNS / 2;     // a lane's, of two rows
constexpr int kGroups = MIX_KEYS / kStepKeys;  // of keys: steps of the second product
constexpr int kQueryTileBytes = 64 * ROW_BYTES;
constexpr int kStageBytes = STAGE_BYTES;
// Do the next tile's scores have registers beside the second product?
constexpr bool kOverlap = kScores + 4 * kGroups + HEAD_DIM / 2 <= 204;

// Layout of shared memory behind the stages.
constexpr int kRestCodes = STAGES * kStageBytes;  // probabilities of the rest rows, [8][MIX_KEYS]
constexpr int kRestScores = kRestCodes + (MIX_KEYS * kElementBytes + 127) / 128 * 1024;
constexpr int kFull = kRestScores + kRestRows * MIX_KEYS * 4;
constexpr int kEmpty = kFull + 8 * STAGES;
constexpr int kZero = kEmpty + 8 * STAGES;  // a word that is always zero

// Barriers between warpgroups.
constexpr int kTurn = 1;  // and 2: the turns of warpgroups 0 and 1
constexpr int kNobody = 3;
constexpr int kRest = 4;  // within the third warpgroup

struct Maps {
  TensorMap q, k, v, v_rest;
};

#if E4M3
constexpr uint32_t kLoadedBytes =
    ROW_BYTES * (Q_LOADS * Q_BOX_ROWS + KEY_ROWS) + HEAD_DIM * (V_CHUNKS * 128 + V_REST);

// Step `group` of 32 keys in V, features from row `first` on.
__device__ __forceinline__ uint64_t values_descriptor(uint32_t stage, int group, int first = 0) {
  constexpr int kRestBytes = V_REST > 0 ? V_REST : 32;
  if (group < 4 * V_CHUNKS)
    return wgmma_descriptor<128>(stage + group / 4 * kChunkBytes + first * 128) + group % 4 * 2;
  return wgmma_descriptor<kRestBytes>(stage + V_CHUNKS * kChunkBytes + first * kRestBytes) +
         (group - 4 * V_CHUNKS) * 2;
}

// Issued by one thread.
__device__ __forceinline__ void load_item(const Maps& maps, const Item& item, uint32_t stage,
                                          uint32_t full) {
  const int first = item.first_row(), window = first - item.shift();
  barrier_expect(full, kLoadedBytes);
#pragma unroll
  for (int i = 0; i < Q_LOADS; ++i)
    load_tile(stage + Q_OFFSET + i * Q_BOX_ROWS * ROW_BYTES, &maps.q, full, 0, item.head,
              first + i * Q_BOX_ROWS);
  load_tile(stage + K_OFFSET, &maps.k, full, item.head * HEAD_DIM, 0, 0, 0, window / 16);
#pragma unroll
  for (int i = 0; i < V_CHUNKS; ++i)
    load_tile(stage + i * kChunkBytes, &maps.v, full, window + i * 128, item.head * HEAD_DIM);
  if (V_REST > 0)
    load_tile(stage + V_CHUNKS * kChunkBytes, &maps.v_rest, full, window + V_CHUNKS * 128,
              item.head * HEAD_DIM);
}

#else
constexpr uint32_t kLoadedBytes = ROW_BYTES * (Q_LOADS * Q_BOX_ROWS + 2 * KEY_ROWS);
constexpr int kKeyLoads = KEY_ROWS / KEY_BOX_ROWS;

// Step `group` of 16 keys in V, features from `first` on, innermost.
__device__ __forceinline__ uint64_t values_descriptor(uint32_t stage, int group, int first = 0) {
  return wgmma_descriptor<128>(stage + group * 16 * ROW_BYTES + first * 2);
}

// Issued by one thread.
__device__ __forceinline__ void load_item(const Maps& maps, const Item& item, uint32_t stage,
                                          uint32_t full) {
  barrier_expect(full, kLoadedBytes);
#pragma unroll
  for (int i = 0; i < Q_LOADS; ++i)
    load_tile(stage + Q_OFFSET + i * Q_BOX_ROWS * ROW_BYTES, &maps.q, full, 0, item.head,
              item.first_row() + i * Q_BOX_ROWS);
#pragma unroll
  for (int i = 0; i < kKeyLoads; ++i)
    load_tile(stage + K_OFFSET + i * KEY_BOX_ROWS * ROW_BYTES, &maps.k, full, 0, item.head,
              item.first_row() + i * KEY_BOX_ROWS);
#pragma unroll
  for (int i = 0; i < kKeyLoads; ++i)
    load_tile(stage + i * KEY_BOX_ROWS * ROW_BYTES, &maps.v, full, 0, item.head,
              item.first_row() + i * KEY_BOX_ROWS);
}

#endif

// --- The rest rows, up to 8 of them, transposed: keys, then features, along the 64 rows of wgmma,
// queries along its 8 columns. One warpgroup. ---

__device__ __forceinline__ void rest_scores(uint32_t stage, uint32_t scores) {
  const int lane = lane_id(), t = lane & 3, warp = threadIdx.x / 32 & 3;
#pragma unroll
  for (int tile = 0; tile < (KEY_ROWS + 63) / 64; ++tile) {
    const int row = tile * 64 + 64 > KEY_ROWS ? KEY_ROWS - 64 : tile * 64;
    const uint64_t k = wgmma_descriptor<ROW_BYTES>(stage + K_OFFSET + row * ROW_BYTES);
    const uint64_t q = wgmma_descriptor<ROW_BYTES>(stage + Q_OFFSET + kFullTiles * kQueryTileBytes);
    float d[4];
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < kDepthSteps; ++step)
      score_product(d, k + 2 * step, q + 2 * step, step > 0);
    wgmma_commit();
    wgmma_wait<0>();
    wgmma_results(d);
    // d[2b + e] is row 16 warp + 8b + lane/4 of the tile, query 2t + e. Opaque, because addresses
    // that stay in registers all along are not affordable here.
    int slot = row + 16 * warp + slot_of_row(lane / 4, 0);
    asm volatile("" : "+r"(slot));
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int query = 2 * t + (i & 1);
      if (query < kRestRows)
        store_shared(scores + (query * MIX_KEYS + slot + slot_of_row(0, i / 2)) * 4, d[i]);
    }
  }
}

// One query's codes, by one warp.
__device__ __forceinline__ void rest_softmax(uint32_t scores, uint32_t codes, int query, int shift,
                                             float factor, float inverse_softmax_scale) {
  constexpr int kSlots = (MIX_KEYS + 31) / 32;
  float x[kSlots], peak = kNone, sum = 0;
#pragma unroll
  for (int i = 0; i < kSlots; ++i) {
    const int slot = lane_id() + 32 * i, key = slot - shift;
    x[i] = kNone;
    if (key >= 0 && key < ROWS) x[i] = load_shared_float(scores + (query * MIX_KEYS + slot) * 4);
    peak = fmaxf(peak, x[i]);
  }
  peak = warp_max(peak) * factor;
#pragma unroll
  for (int i = 0; i < kSlots; ++i) {
    x[i] = exp2_fast(fmaf(x[i], factor, -peak));
    sum += x[i];
  }
  const float inverse = __fdividef(inverse_softmax_scale, warp_sum(sum));
#pragma unroll
  for (int i = 0; i < kSlots; ++i) {
    const int slot = lane_id() + 32 * i;
    if (slot < MIX_KEYS) store_rest_code(codes, query, slot, x[i] * inverse);
  }
}

__device__ __forceinline__ void rest_values(uint32_t stage, uint32_t codes, Y* y, float y_factor) {
  const int lane = lane_id(), t = lane & 3, warp = threadIdx.x / 32 & 3;
#pragma unroll
  for (int tile = 0; tile < (HEAD_DIM + 63) / 64; ++tile) {
    const int first = tile * 64 + 64 > HEAD_DIM ? HEAD_DIM - 64 : tile * 64;
    float d[4];
    wgmma_fence();
#pragma unroll
    for (int group = 0; group < kGroups; ++group)
      rest_mix_product(d, values_descriptor(stage, group, first),
                       wgmma_descriptor<128>(codes + group / 4 * 1024) + group % 4 * 2, group > 0);
    wgmma_commit();
    wgmma_wait<0>();
    wgmma_results(d);
    // d[2b + e] is row first + 16 warp + 8b + lane/4 of V^T, query 2t + e.
    int feature = feature_of_row(lane / 4, first / 8 + 2 * warp);
    asm volatile("" : "+r"(feature));
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int query = 2 * t + (i & 1);
      if (query < kRestRows)
        from_float(d[i] * y_factor, y[(size_t)query * kWidth + feature + feature_of_row(0, i / 2)]);
    }
  }
}

// --- The full tiles. Scores, exponentials and probabilities share x: element index(h, j, e) is
// row lane/4 + 8h of the warp's 16, slot slot_of(j, t, e). ---

// Does no lane, does not every lane hold a key of the sample there, whatever the shift?
__device__ constexpr bool is_dead(int block, int e) {
  return !kShifted && slot_of(block, 0, e) >= ROWS;
}
__device__ constexpr bool is_edge(int block) {
  return slot_of(block, 3, 1) >= ROWS || (kShifted && block < 2);
}

__device__ __forceinline__ void score_tile(float (&x)[kScores], uint64_t q, uint64_t k) {
  constexpr int kFirst = SCORE_COLUMNS < 256 ? SCORE_COLUMNS : 256;
  score_product(part_of<kFirst>(x), q, k);
#pragma unroll
  for (int step = 1; step < kDepthSteps; ++step)
    score_product(part_of<kFirst>(x), q + 2 * step, k + 2 * step, true);
#if SCORE_COLUMNS > 256
  k += kFirst * ROW_BYTES / 16;
  score_product(part_of<SCORE_COLUMNS - kFirst>(x + kFirst / 2), q, k);
#pragma unroll
  for (int step = 1; step < kDepthSteps; ++step)
    score_product(part_of<SCORE_COLUMNS - kFirst>(x + kFirst / 2), q + 2 * step, k + 2 * step,
                  true);
#endif
}

__device__ __forceinline__ void mask_edges(float (&x)[kScores], int t, int shift) {
#pragma unroll
  for (int j = 0; j < kBlocks; ++j) {
    if (!is_edge(j)) continue;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int key = slot_of(j, t, i & 1) - shift;
      if (key < 0 || key >= ROWS) x[index(i / 2, j, i & 1)] = kNone;
    }
  }
}

// The row's highest score, or for a row without a positive one possibly its lowest: an integer
// comparison takes three operands but orders negative floats backwards. Any shift of the exponent
// near the maximum is as good as the maximum, because the division removes it.
__device__ __forceinline__ float quick_peak(const float (&x)[kScores], int half) {
  int high[2] = {(int)0x80000000, (int)0x80000000};
  float edge = kNone;
#pragma unroll
  for (int j = 0; j < kBlocks; ++j) {
    const float a = x[index(half, j, 0)], b = x[index(half, j, 1)];
    if (is_edge(j)) {
      if (!is_dead(j, 0)) edge = fmaxf(edge, a);
      if (!is_dead(j, 1)) edge = fmaxf(edge, b);
    } else {
      high[j & 1] = max(max(high[j & 1], __float_as_int(a)), __float_as_int(b));
    }
  }
  return quad_max(fmaxf(edge, __int_as_float(max(high[0], high[1]))));
}
__device__ __forceinline__ float exact_peak(const float (&x)[kScores], int half) {
  float peak[4] = {kNone, kNone, kNone, kNone};
#pragma unroll
  for (int j = 0; j < kBlocks; ++j) {
#pragma unroll
    for (int e = 0; e < 2; ++e)
      if (!is_dead(j, e)) peak[2 * j + e & 3] = fmaxf(peak[2 * j + e & 3], x[index(half, j, e)]);
  }
  return quad_max(fmaxf(fmaxf(peak[0], peak[1]), fmaxf(peak[2], peak[3])));
}

__device__ __forceinline__ void peaks(const float (&x)[kScores], float factor, float (&peak)[2]) {
  peak[0] = quick_peak(x, 0), peak[1] = quick_peak(x, 1);
  constexpr float kFarthest = -100.f;  // 2^100 times 300 keys is still finite
  if (__any_sync(~0u, fminf(peak[0], peak[1]) * factor < kFarthest))
    peak[0] = exact_peak(x, 0), peak[1] = exact_peak(x, 1);
  peak[0] *= factor, peak[1] *= factor;
}

// The warpgroups' turns. The assembler moves arithmetic across barriers, so the phase is tied to
// them by data: `zero_bits` is a parameter that is always 0, `zero_word` the address of a word that
// is always 0.
struct Turns {
  int own;
  uint32_t zero_bits;
  uint32_t zero_word;

  __device__ __forceinline__ void take(float (&peak)[2]) const {
    const uint32_t known = __float_as_uint(peak[0]) | __float_as_uint(peak[1]);
    named_barrier_sync(kTurn + own | known & zero_bits, 256);
    const float zero = load_shared_float(zero_word);
    peak[0] += zero, peak[1] += zero;
  }
  // `done` is known when the phase is nearly over: the hand-over takes as long as its last steps.
  __device__ __forceinline__ void pass(bool more, uint32_t done, float (&sum)[2]) const {
    named_barrier_arrive((more ? kTurn + (own ^ 1) : kNobody) | done & zero_bits, 256);
    const float zero = load_shared_float(zero_word);
    sum[0] += zero, sum[1] += zero;
  }
};

// Scores become exponentials; `sum` this lane's part of the rows' sums.
__device__ __forceinline__ void exponentiate(float (&x)[kScores], float factor, const Turns& turns,
                                             bool more, float (&sum)[2], float (&peak)[2]) {
  constexpr int kEarly = 2;  // blocks before the end of the phase at which the turn is passed on
  float sums[4] = {};
  uint32_t done = 0;
  turns.take(peak);
#pragma unroll
  for (int j = 0; j < kBlocks; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float& value = x[index(i / 2, j, i & 1)];
      value = is_dead(j, i & 1) ? 0.f : exp2_fast(fmaf(value, factor, -peak[i / 2]));
      sums[i] += value;
    }
    if (j == kBlocks - 1 - kEarly)
      for (const float s : sums) done |= __float_as_uint(s);
  }
  sum[0] = sums[0] + sums[1], sum[1] = sums[2] + sums[3];
  turns.pass(more, done, sum);
}

struct Parameters {
  Y* y;                // [tokens, kWidth]
  int items;           // samples * HEADS
  float score_factor;  // from the product of codes to the score, in units of log2
  float inverse_softmax_scale;
  float y_factor;  // from the product of codes to what is stored
  uint32_t zero;   // 0
};

// The third warpgroup: loads, and the rest rows.
__device__ __forceinline__ void load_and_finish(const Maps& maps, const Parameters& p,
                                                uint32_t shared) {
  const int warp = threadIdx.x / 32 & 3, thread = threadIdx.x & 127;
  const int grid = gridDim.x;
  const auto load = [&](int item, int stage) {
    load_item(maps, Item(item, p.items), shared + stage * kStageBytes, shared + kFull + 8 * stage);
  };
  if (thread == 0)
    for (int s = 0, i = blockIdx.x; s < STAGES && i < p.items; ++s, i += grid) load(i, s);
  __syncwarp();
  if (kRestRows > 0)
    for (int at = kRestCodes + 4 * thread; at < kRestScores; at += 512)
      store_shared(shared + at, 0u);
  Stage stage;
#pragma unroll 1
  for (int i = blockIdx.x; i < p.items; i += grid, stage.advance()) {
    if (kRestRows > 0) {
      const uint32_t data = shared + stage.index * kStageBytes;
      barrier_wait(shared + kFull + 8 * stage.index, stage.parity);
      rest_scores(data, shared + kRestScores);
      named_barrier_sync(kRest, 128);
#pragma unroll 1
      for (int query = (warp + i) & 3; query < kRestRows; query += 4)
        rest_softmax(shared + kRestScores, shared + kRestCodes, query, Item(i, p.items).shift(),
                     p.score_factor, p.inverse_softmax_scale);
      fence_async_shared();
      named_barrier_sync(kRest, 128);
      const Item item(i, p.items);
      rest_values(
          data, shared + kRestCodes,
          p.y + (size_t)(item.first_row() + kFullTiles * 64) * kWidth + item.head * HEAD_DIM,
          p.y_factor);
      __syncwarp();
      if (lane_id() == 0) barrier_arrive(shared + kEmpty + 8 * stage.index);
    }
    if (thread == 0 && i + STAGES * grid < p.items) {
      barrier_wait(shared + kEmpty + 8 * stage.index, stage.parity);
      load(i + STAGES * grid, stage.index);
    }
    __syncwarp();
  }
}

// The other two: tiles in turns, the scores of the next tile behind the second product of this one.
__device__ __forceinline__ void multiply(const Parameters& p, uint32_t shared, int group) {
  const int lane = lane_id(), warp = threadIdx.x / 32 & 3, grid = gridDim.x;
  const Turns turns{group, p.zero, shared + kZero};
  float x[kScores], o[HEAD_DIM / 2];
  uint32_t codes[kGroups][4];
  const auto start_scores = [&](int stage, int tile) {
    const uint32_t data = shared + stage * kStageBytes;
    wgmma_fence();
    score_tile(x, wgmma_descriptor<ROW_BYTES>(data + Q_OFFSET + tile * kQueryTileBytes),
               wgmma_descriptor<ROW_BYTES>(data + K_OFFSET));
    wgmma_commit();
  };
  int item = blockIdx.x, tile = group;
  int left = ((p.items - 1 - item) / grid + 1) * kFullTiles - group;  // tiles, the other's too
  Stage stage;
  if (group == 1) named_barrier_arrive(kTurn, 256);  // the first turn is warpgroup 0's
  barrier_wait(shared + kFull, 0);
  start_scores(0, tile);
#pragma unroll 1
  while (true) {
    wgmma_wait<0>();
    wgmma_results(x);
    mask_edges(x, lane & 3, Item(item, p.items).shift());
    float peak[2], sum[2];
    peaks(x, p.score_factor, peak);
    exponentiate(x, p.score_factor, turns, left > 1, sum, peak);
    const float inverse[2] = {__fdividef(p.inverse_softmax_scale, quad_sum(sum[0])),
                              __fdividef(p.inverse_softmax_scale, quad_sum(sum[1]))};
    pack_codes(x, inverse, codes);
    wgmma_fence();
#pragma unroll
    for (int g = 0; g < kGroups; ++g)
      mix_product(o, codes[g], values_descriptor(shared + stage.index * kStageBytes, g), g > 0);
    wgmma_commit();
    const bool last = left <= 2, leave = tile + 2 >= kFullTiles;
    const int done_stage = stage.index;
    Y* const y = p.y + (size_t)(Item(item, p.items).first_row() + tile * 64 + warp * 16) * kWidth +
                 Item(item, p.items).head * HEAD_DIM;
    tile += 2;
    if (leave) {
      tile -= kFullTiles;
      item += grid;
      if (!last) {
        stage.advance();
        barrier_wait(shared + kFull + 8 * stage.index, stage.parity);
      }
    }
    if (kOverlap) start_scores(stage.index, tile);  // behind the last tile stale, and ignored
    wgmma_wait<kOverlap ? 1 : 0>();
    wgmma_results(o);
    if (leave && lane == 0) barrier_arrive(shared + kEmpty + 8 * done_stage);
    store_tile(o, y, p.y_factor);
    if (last) break;
    if (!kOverlap) start_scores(stage.index, tile);
    left -= 2;
  }
  wgmma_wait<0>();
}

// One block a multiprocessor; a block takes every gridDim.x-th item. No more blocks than items.
extern "C" __global__ void __launch_bounds__(384, 1)
    attention_sm90(const __grid_constant__ Maps maps, const Parameters p) {
  extern __shared__ __align__(1024) uint8_t bytes[];
  const uint32_t shared = shared_address(bytes);
  const int group = __shfl_sync(~0u, threadIdx.x / 128, 0);
  if (threadIdx.x == 0) {
#pragma unroll 1
    for (int i = 0; i < STAGES; ++i) {
      barrier_init(shared + kFull + 8 * i, 1);
      barrier_init(shared + kEmpty + 8 * i, kRestRows > 0 ? 12 : 8);  // warps
    }
    store_shared(shared + kZero, 0u);
    barrier_init_done();
  }
  __syncthreads();
  start_next_kernel();
  wait_for_previous_kernel();
  if (group == 2) {
    give_registers<40>();
    load_and_finish(maps, p, shared);
  } else {
    take_registers<232>();
    multiply(p, shared, group);
  }
}
