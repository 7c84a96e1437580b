// Attention on Hopper for samples of any length up to what shared memory holds: keys pass twice,
// first for a row's maximum and sum, then for the probabilities, BLOCK_KEYS at a time.
//
// Two or three warpgroups multiply, each its own tile of 64 query rows; tiles of all items (a
// sample and head) are dealt to them in turn. K and V of an item are a stage in shared memory,
// query tiles have a ring of their own. One more warpgroup loads.
//
// Defines: those of attention_sm90.cuh and the layout of a stage (LongLayout in
// cuda/attention_sm90_long.cpp).
#include "attention_sm90.cuh"

constexpr int kConsumers = CONSUMERS;  // warpgroups that multiply
constexpr int kTiles = (ROWS + 63) / 64;
constexpr int kBlockKeys = BLOCK_KEYS;    // a multiple of 32
constexpr int kFullBlocks = FULL_BLOCKS;  // of kBlockKeys slots; behind them REST_COLUMNS
constexpr int kBlocks = kFullBlocks + (REST_COLUMNS > 0 ? 1 : 0);
constexpr int kLastColumns = REST_COLUMNS > 0 ? REST_COLUMNS : kBlockKeys;
constexpr int kQueryTileBytes = 64 * ROW_BYTES;
constexpr int kStageBytes = STAGE_BYTES;
constexpr uint32_t kLoadedBytes = LOADED_BYTES;

// Layout of shared memory behind the stages.
constexpr int kQueries = STAGES * kStageBytes;
constexpr int kFull = kQueries + QUERY_SLOTS * kQueryTileBytes;
constexpr int kEmpty = kFull + 8 * STAGES;
constexpr int kQueryFull = kEmpty + 8 * STAGES;
constexpr int kQueryEmpty = kQueryFull + 8 * QUERY_SLOTS;

struct Maps {
  TensorMap q, k, k_rest, v, v_rest;
};

__device__ __forceinline__ uint64_t keys_descriptor(uint32_t stage, int block) {
  return wgmma_descriptor<ROW_BYTES>(stage + K_OFFSET + block * kBlockKeys * ROW_BYTES);
}

#if E4M3
// Step `group` of 32 keys of V.
__device__ __forceinline__ uint64_t values_descriptor(uint32_t stage, int group) {
  return wgmma_descriptor<128>(stage + group / 4 * kChunkBytes) + group % 4 * 2;
}

__device__ __forceinline__ void load_keys_and_values(const Maps& maps, const Item& item,
                                                     uint32_t stage, uint32_t full) {
  const int window = item.first_row() - item.shift(), column = item.head * HEAD_DIM;
  barrier_expect(full, kLoadedBytes);
  load_tile(stage + K_OFFSET, &maps.k, full, column, 0, 0, 0, window / 16);
#pragma unroll
  for (int i = 0; i < V_CHUNKS; ++i)
    load_tile(stage + i * kChunkBytes, &maps.v, full, window + i * 128, column);
}
#else
// Step `group` of 16 keys of V.
__device__ __forceinline__ uint64_t values_descriptor(uint32_t stage, int group) {
  return wgmma_descriptor<128>(stage + group * kStepKeys * ROW_BYTES);
}

__device__ __forceinline__ void load_keys_and_values(const Maps& maps, const Item& item,
                                                     uint32_t stage, uint32_t full) {
  barrier_expect(full, kLoadedBytes);
  const auto load = [&](uint32_t target, const TensorMap& map, const TensorMap& rest) {
#pragma unroll
    for (int i = 0; i < kFullBlocks; ++i)
      load_tile(target + i * kBlockKeys * ROW_BYTES, &map, full, 0, item.head,
                item.first_row() + i * kBlockKeys);
    if (REST_COLUMNS > 0)
      load_tile(target + kFullBlocks * kBlockKeys * ROW_BYTES, &rest, full, 0, item.head,
                item.first_row() + kFullBlocks * kBlockKeys);
  };
  load(stage + K_OFFSET, maps.k, maps.k_rest);
  load(stage, maps.v, maps.v_rest);
}
#endif

// One thread loads everything, in the order in which it is used.
__device__ __forceinline__ void load_all(const Maps& maps, int items, uint32_t shared) {
  Stage stage;
  int slot = 0;
  uint32_t slot_parity = 0;
#pragma unroll 1
  for (int i = blockIdx.x; i < items; i += gridDim.x, stage.advance()) {
    const Item item(i, items);
    barrier_wait(shared + kEmpty + 8 * stage.index, stage.parity ^ 1);
    load_keys_and_values(maps, item, shared + stage.index * kStageBytes,
                         shared + kFull + 8 * stage.index);
#pragma unroll 1
    for (int tile = 0; tile < kTiles; ++tile) {
      barrier_wait(shared + kQueryEmpty + 8 * slot, slot_parity ^ 1);
      barrier_expect(shared + kQueryFull + 8 * slot, kQueryTileBytes);
      load_tile(shared + kQueries + slot * kQueryTileBytes, &maps.q, shared + kQueryFull + 8 * slot,
                0, item.head, item.first_row() + tile * 64);
      if (++slot == QUERY_SLOTS) slot = 0, slot_parity ^= 1;
    }
  }
}

template <int columns>
struct Columns {
  static constexpr int kCount = columns;
};
constexpr Columns<kBlockKeys> kWhole;
constexpr Columns<(kFullBlocks > 0 ? kBlockKeys : REST_COLUMNS)> kFirst;
constexpr Columns<kLastColumns> kLast;

// Starts the scores of `columns` slots from block `block` on.
template <int columns>
__device__ __forceinline__ void start_scores(float (&x)[kBlockKeys / 2], uint64_t q, uint64_t k) {
  wgmma_fence();
  score_product(part_of<columns>(x), q, k);
#pragma unroll
  for (int step = 1; step < kDepthSteps; ++step)
    score_product(part_of<columns>(x), q + 2 * step, k + 2 * step, true);
  wgmma_commit();
}

// All blocks of a tile in turn: `use(columns, block, next)` finds the scores of that many slots in
// x and calls `next` when it needs them no more.
template <typename Use>
__device__ __forceinline__ void for_each_block(float (&x)[kBlockKeys / 2], uint64_t q,
                                               uint32_t stage, const Use& use) {
  const auto start = [&](auto columns, int block) {
    start_scores<columns.kCount>(x, q, keys_descriptor(stage, block));
  };
  const auto finish = [&](auto columns) {
    wgmma_wait<0>();
    wgmma_results(part_of<columns.kCount>(x));
  };
  start(kFirst, 0);
  int whole = kFullBlocks - 1;
  // A loop of one round would dissolve, and what is scheduled together then lacks registers.
  if (kFullBlocks == 2) asm volatile("" : "+r"(whole));
#pragma unroll 1
  for (int block = 0; block < whole; ++block) {
    finish(kWhole);
    use(kWhole, block, [&] { start(kWhole, block + 1); });
  }
  if (kFullBlocks > 0 && REST_COLUMNS > 0) {
    finish(kWhole);
    use(kWhole, kFullBlocks - 1, [&] { start(kLast, kFullBlocks); });
  }
  finish(kLast);
  use(kLast, kBlocks - 1, [] {});
}

// Can a block of 8 among `columns` hold slots without a key? Those are up to 15 in front of the
// sample and, in the last block or the last two, up to 15 or 30 behind it.
__device__ constexpr bool is_edge(int columns, int block) {
  if (!kShifted) return slot_of(block, 3, 1) >= columns - 15;
  return slot_of(block, 0, 0) < 15 || slot_of(block, 3, 1) >= columns - 30;
}

// Slots that hold no key of the sample count for nothing.
template <int columns>
__device__ __forceinline__ void mask_block(float (&x)[kBlockKeys / 2], int block, int shift) {
  const int first = block * kBlockKeys - shift;
  if (first >= 0 && first + columns <= ROWS) return;
#pragma unroll
  for (int i = 0; i < columns / 2; ++i) {
    const int key = first + slot_of(i / 4, lane_id() & 3, i & 1);
    if (is_edge(columns, i / 4) && (key < 0 || key >= ROWS)) x[i] = kNone;
  }
}

// Of a lane's two rows; the maximum as an exponent of 2, the sum this lane's part.
struct Rows {
  float peak[2];
  float sum[2];
};

template <int columns>
__device__ __forceinline__ void add_block(const float (&x)[kBlockKeys / 2], float factor,
                                          Rows& rows) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float top[2] = {kNone, kNone}, sum[2] = {};
#pragma unroll
    for (int i = 0; i < columns / 4; ++i)
      top[i & 1] = fmaxf(top[i & 1], x[index(half, i / 2, i & 1)]);
    const float peak = fmaxf(rows.peak[half], quad_max(fmaxf(top[0], top[1])) * factor);
#pragma unroll
    for (int i = 0; i < columns / 4; ++i)
      sum[i & 1] += exp2_fast(fmaf(x[index(half, i / 2, i & 1)], factor, -peak));
    rows.sum[half] = rows.sum[half] * exp2_fast(rows.peak[half] - peak) + (sum[0] + sum[1]);
    rows.peak[half] = peak;
  }
}

struct Parameters {
  Y* y;                // [tokens, kWidth]
  int items;           // samples * HEADS
  float score_factor;  // from the product of codes to the score, in units of log2
  float inverse_softmax_scale;
  float y_factor;  // from the product of codes to what is stored
};

// A tile: two passes over the keys, o their result.
__device__ __forceinline__ void attend(const Parameters& p, uint32_t stage, uint64_t q, int shift,
                                       float (&o)[HEAD_DIM / 2]) {
  float x[kBlockKeys / 2];
  Rows rows = {{kNone, kNone}, {0.f, 0.f}};
  for_each_block(x, q, stage, [&](auto columns, int block, auto&& next) {
    mask_block<columns.kCount>(x, block, shift);
    add_block<columns.kCount>(x, p.score_factor, rows);
    next();
  });
  const float inverse[2] = {__fdividef(p.inverse_softmax_scale, quad_sum(rows.sum[0])),
                            __fdividef(p.inverse_softmax_scale, quad_sum(rows.sum[1]))};
#pragma unroll
  for (int i = 0; i < HEAD_DIM / 2; ++i) o[i] = 0.f;
  wgmma_results(o);  // zero before the first product is on its way
  for_each_block(x, q, stage, [&](auto columns, int block, auto&& next) {
    constexpr int kGroups = (columns.kCount + kStepKeys - 1) / kStepKeys;
    uint32_t codes[kGroups][4];
    mask_block<columns.kCount>(x, block, shift);
#pragma unroll
    for (int i = 0; i < columns.kCount / 2; ++i)
      x[i] = exp2_fast(fmaf(x[i], p.score_factor, -rows.peak[i / 2 & 1]));
    pack_codes(part_of<columns.kCount>(x), inverse, codes);
    wgmma_fence();
#pragma unroll
    for (int g = 0; g < kGroups; ++g)
      mix_product(o, codes[g], values_descriptor(stage, block * (kBlockKeys / kStepKeys) + g),
                  true);
    wgmma_commit();
    next();
  });
  wgmma_wait<0>();
  wgmma_results(o);
}

__device__ __forceinline__ void multiply(const Parameters& p, uint32_t shared, int group) {
  const int lane = lane_id(), warp = threadIdx.x / 32 & 3;
  float o[HEAD_DIM / 2];
  Stage stage;
  int tile = group, slot = group % QUERY_SLOTS;
  uint32_t slot_parity = group / QUERY_SLOTS & 1;
#pragma unroll 1
  for (int i = blockIdx.x; i < p.items; i += gridDim.x, stage.advance(), tile -= kTiles) {
    const Item item(i, p.items);
    // Also without a tile in it: nobody may be a round of stages ahead.
    barrier_wait(shared + kFull + 8 * stage.index, stage.parity);
#pragma unroll 1
    for (; tile < kTiles; tile += kConsumers) {
      barrier_wait(shared + kQueryFull + 8 * slot, slot_parity);
      attend(p, shared + stage.index * kStageBytes,
             wgmma_descriptor<ROW_BYTES>(shared + kQueries + slot * kQueryTileBytes), item.shift(),
             o);
      if (lane == 0) barrier_arrive(shared + kQueryEmpty + 8 * slot);
      slot += kConsumers;
      if (slot >= QUERY_SLOTS) slot -= QUERY_SLOTS, slot_parity ^= 1;
      const int row = tile * 64 + warp * 16;
      store_tile(o, p.y + (size_t)(item.first_row() + row) * kWidth + item.head * HEAD_DIM,
                 p.y_factor, ROWS - row);
    }
    __syncwarp();
    if (lane == 0) barrier_arrive(shared + kEmpty + 8 * stage.index);
  }
}

// One block a multiprocessor; a block takes every gridDim.x-th item. No more blocks than items.
extern "C" __global__ void __launch_bounds__(128 * kConsumers + 128, 1)
    attention_sm90_long(const __grid_constant__ Maps maps, const Parameters p) {
  extern __shared__ __align__(1024) uint8_t bytes[];
  const uint32_t shared = shared_address(bytes);
  const int group = __shfl_sync(~0u, threadIdx.x / 128, 0);
  if (threadIdx.x == 0) {
#pragma unroll 1
    for (int i = 0; i < STAGES; ++i) {
      barrier_init(shared + kFull + 8 * i, 1);
      barrier_init(shared + kEmpty + 8 * i, 4 * kConsumers);  // warps
    }
#pragma unroll 1
    for (int i = 0; i < QUERY_SLOTS; ++i) {
      barrier_init(shared + kQueryFull + 8 * i, 1);
      barrier_init(shared + kQueryEmpty + 8 * i, 4);
    }
    barrier_init_done();
  }
  __syncthreads();
  start_next_kernel();
  wait_for_previous_kernel();
  if (group == kConsumers) {
    give_registers<kConsumers == 3 ? 24 : 40>();
    if (threadIdx.x == 128 * kConsumers) load_all(maps, p.items, shared);
  } else {
    take_registers<kConsumers == 3 ? 160 : 232>();
    multiply(p, shared, group);
  }
}
