// y = epilogue(A W^T) for large K: tiles of CONSUMERS * 64 rows, each warpgroup with its own 64
// rows and no barrier between them. The epilogue only finishes and packs a tile into registers;
// these are stored during the first DEFERRED_SLABS slabs of the next tile, and the residual is
// loaded into the same registers during the last ones, so that memory is busy while the matrix
// units are. Persistent: any number of blocks. Results of one 16-byte strip (e4m3 without residual,
// f16).
#include "gemm_sm90.cuh"

constexpr int kTileRows = CONSUMERS * kWarpgroupRows;
constexpr int kABytes = kTileRows * kSlabBytes;
constexpr int kStageBytes = kABytes + TILE_COLUMNS * kSlabBytes;
constexpr int kStrips = 2 * kGroups;
constexpr int kStripsPerSlab = kStrips / DEFERRED_SLABS;
constexpr int kResidualSlabs = RESIDUAL ? DEFERRED_SLABS : 0;
static_assert(kGroup * sizeof(OUT_TYPE) == 64, "a strip is 16 bytes");

__device__ __forceinline__ void produce(const TensorMap* a_map, const TensorMap* w_map,
                                        uint32_t stages, const Ring& ring, const GemmArguments& g) {
  RingPosition at = RingPosition::at(0);
  for (int tile = blockIdx.x; tile < g.tiles; tile += gridDim.x) {
    int row_tile, column_tile;
    place_tile(g, tile, row_tile, column_tile);
#pragma unroll 1
    for (int k = 0; k < kSlabs; ++k) {
      const uint32_t barrier = ring.acquire(at, kStageBytes);
      const uint32_t stage = stages + at.slot * kStageBytes;
      load_tile(stage, a_map, barrier, k * kSlabElements, row_tile * kTileRows);
      load_tile(stage + kABytes, w_map, barrier, k * kSlabElements, column_tile * TILE_COLUMNS);
      at.advance();
    }
  }
}

// Read anew for each tile: what depends on it would be kept over the whole loop, in registers that
// are not there.
__device__ __forceinline__ int fresh_thread_id() {
  int id;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(id));
  return id;
}

// A lane's part of a tile between two states: residual on its way in, results on their way out.
struct Parked {
  uint4 strips[kGroups][2];
  int row, column;
  // Of the first strip. The others' addresses are steps from here: whole ones for each would take
  // as long to compute as a slab is multiplied.
  uint8_t* out;
  const uint8_t* residual;

  __device__ __forceinline__ void place(const GemmArguments& g, int tile) {
    int row_tile, column_tile;
    place_tile(g, tile, row_tile, column_tile);
    const int thread = fresh_thread_id();
    row = row_tile * kTileRows + thread / 32 * 16 + thread % 32 / 4;
    column = column_tile * TILE_COLUMNS + thread % 4 * kStrip;
    out = (uint8_t*)(g.out + row * g.out_pitch + column);
    residual = (const uint8_t*)(g.residual + row * g.residual_pitch + column);
  }
  __device__ __forceinline__ bool has(const GemmArguments& g, int i) const {
    return inside(g, row + 8 * (i % 2), column + i / 2 * kGroup);
  }
  // A group of columns is 64 bytes wide.
  __device__ __forceinline__ void load(const GemmArguments& g, int i) {
    const int64_t rows_on = i % 2 * 8 * g.residual_pitch * sizeof(f16);
    if (has(g, i)) strips[i / 2][i % 2] = load16(residual + rows_on + i / 2 * 64);
  }
  __device__ __forceinline__ void store(const GemmArguments& g, int i) const {
    const int64_t rows_on = i % 2 * 8 * g.out_pitch * sizeof(OUT_TYPE);
    if (has(g, i)) store16(out + rows_on + i / 2 * 64, strips[i / 2][i % 2]);
  }
  template <class Numbers>
  __device__ __forceinline__ void finish(const float (&sums)[kSums], const Numbers& numbers) {
#pragma unroll
    for (int i = 0; i < kGroups; ++i) {
      const StripNumbers strip = numbers.at(i);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float v[kStrip];
        finish_strip(sums, i, half, strip, ResidualStrip{{strips[i][half]}}, v);
        PackedStrip packed;
        packed.pack(v);
        strips[i][half] = packed.bits[0];
      }
    }
  }
};

// One role's walk through the slabs of a tile.
struct Slabs {
  uint32_t stages, rows;  // rows: of A, the warpgroup's, in a stage
  const Ring& ring;
  RingPosition at;
  int previous;

  // `beside` runs while the slab is multiplied.
  template <class Work>
  __device__ __forceinline__ void multiply(float (&sums)[kSums], int k, Work beside) {
    ring.wait(at);
    const uint32_t stage = stages + at.slot * kStageBytes;
    multiply_stage<kABytes, kStageBytes - kABytes>(sums, stage + rows, stage + kABytes, k > 0);
    beside();
    wgmma_wait<1>();
    if (k > 0) ring.release(previous);
    previous = at.slot;
    at.advance();
  }
};

__device__ __forceinline__ void consume(uint32_t stages, const Ring& ring, const float* numbers,
                                        const GemmArguments& g) {
  float sums[kSums];
  Parked parked;
  parked.row = g.rows;  // nothing to store yet
  parked.column = 0;
  Slabs slabs{stages, warpgroup_id() * kWarpgroupRows * kSlabBytes, ring, RingPosition::at(0), 0};
  for (int tile = blockIdx.x; tile < g.tiles; tile += gridDim.x) {
#pragma unroll
    for (int k = 0; k < DEFERRED_SLABS; ++k) {
      slabs.multiply(sums, k, [&] {
#pragma unroll
        for (int i = 0; i < kStripsPerSlab; ++i) parked.store(g, k * kStripsPerSlab + i);
      });
    }
#pragma unroll 1
    for (int k = DEFERRED_SLABS; k < kSlabs - kResidualSlabs; ++k) slabs.multiply(sums, k, [] {});
    parked.place(g, tile);
#pragma unroll
    for (int k = 0; k < kResidualSlabs; ++k) {
      slabs.multiply(sums, kSlabs - kResidualSlabs + k, [&] {
#pragma unroll
        for (int i = 0; i < kStripsPerSlab; ++i) parked.load(g, k * kStripsPerSlab + i);
      });
    }
    wgmma_wait<0>();
    ring.release(slabs.previous);
    if (SHARED_NUMBERS) {
      parked.finish(sums, SharedNumbers{g, numbers, parked.column});
    } else {
      parked.finish(sums, FetchedNumbers(g, parked.column));
    }
  }
#pragma unroll
  for (int i = 0; i < kStrips; ++i) parked.store(g, i);
}

extern "C" __global__ void __launch_bounds__((CONSUMERS + 1) * 128, 1)
    gemm(const __grid_constant__ TensorMap a_map, const __grid_constant__ TensorMap w_map,
         const __grid_constant__ GemmArguments g) {
  extern __shared__ __align__(1024) uint8_t bytes[];
  const uint32_t stages = shared_address(bytes);
  const Ring ring(stages + STAGES * kStageBytes);
  if (threadIdx.x == 0) {
    ring.init(CONSUMERS * 4);
    barrier_init_done();
  }
  float* numbers = (float*)(bytes + STAGES * kStageBytes + Ring::kBytes);
  if (SHARED_NUMBERS) SharedNumbers::fill(g, numbers);
  __syncthreads();
  start_next_kernel();
  wait_for_previous_kernel();
  if (warpgroup_id() == CONSUMERS) {
    give_registers<PRODUCER_REGISTERS>();
    if (threadIdx.x == CONSUMERS * 128) produce(&a_map, &w_map, stages, ring, g);
  } else {
    take_registers<CONSUMER_REGISTERS>();
    consume(stages, ring, numbers, g);
  }
}
