// y = epilogue(A W^T) with both operands streamed: warpgroups take turns on whole tiles of 64 rows,
// so that the epilogue of one runs under the products of another. Persistent: any number of blocks.
#include "gemm_sm90.cuh"

constexpr int kABytes = kWarpgroupRows * kSlabBytes;
constexpr int kStageBytes = kABytes + TILE_COLUMNS * kSlabBytes;

struct Producer {
  const TensorMap* a_map;
  const TensorMap* w_map;
  uint32_t stages;
  const Ring& ring;
  int row, column;  // of the tile

  __device__ __forceinline__ void load_rows(int k, RingPosition at) const {
    load_a(stages + at.slot * kStageBytes, a_map, ring.full + 8 * at.slot, k, row);
  }
  __device__ __forceinline__ void load_columns(int k, RingPosition at) const {
    const uint32_t barrier = ring.acquire(at, kStageBytes);
    load_tile(stages + at.slot * kStageBytes + kABytes, w_map, barrier, k * kSlabElements, column);
  }
  // Weights do not depend on the kernel before: those of the first stages are on the way while it
  // ends. Returns how many stages are filled.
  __device__ __forceinline__ int begin() const {
    constexpr int kAhead = kSlabs < STAGES ? kSlabs : STAGES;
#pragma unroll 1
    for (int k = 0; k < kAhead; ++k) load_columns(k, RingPosition::at(k));
    wait_for_previous_kernel();
#pragma unroll 1
    for (int k = 0; k < kAhead; ++k) load_rows(k, RingPosition::at(k));
    return kAhead;
  }
  __device__ __forceinline__ void run(const GemmArguments& g) {
    RingPosition at = RingPosition::at(0);
    for (int tile = blockIdx.x; tile < g.tiles; tile += gridDim.x) {
      int row_tile, column_tile;
      place_tile(g, tile, row_tile, column_tile);
      row = row_tile * kWarpgroupRows;
      column = column_tile * TILE_COLUMNS;
      int k = 0;
      if (tile == blockIdx.x) {
        k = begin();
        at = RingPosition::at(k);
      }
#pragma unroll 1
      for (; k < kSlabs; ++k) {
        load_columns(k, at);
        load_rows(k, at);
        at.advance();
      }
    }
  }
};

__device__ __forceinline__ void consume(uint32_t stages, const Ring& ring, const Turns& turns,
                                        const GemmArguments& g) {
  const int warpgroup = warpgroup_id();
  float sums[kSums];
  int taken = 0;
  wait_for_previous_kernel();
  // The block's tile number i, in the order of the ring, is warpgroup i % CONSUMERS's.
  for (int i = warpgroup;; i += CONSUMERS) {
    const int tile = blockIdx.x + i * gridDim.x;
    if (tile >= g.tiles) break;
    int row_tile, column_tile;
    place_tile(g, tile, row_tile, column_tile);
    const int row = row_tile * kWarpgroupRows + warp_of_group() * 16 + lane_row();
    const int column = column_tile * TILE_COLUMNS + lane_column();
    turns.take(warpgroup, taken++);
    RingPosition at = RingPosition::at(i * kSlabs);
    int previous = 0;
#pragma unroll 1
    for (int k = 0; k < kSlabs; ++k) {
      ring.wait(at);
      const uint32_t stage = stages + at.slot * kStageBytes;
      multiply_stage<kABytes, kStageBytes - kABytes>(sums, stage, stage + kABytes, k > 0);
      wgmma_wait<1>();
      if (k > 0) ring.release(previous);
      previous = at.slot;
      at.advance();
    }
    turns.pass(warpgroup);
    ResidualTile<kGroups> residual;
    residual.load(g, row, column);
    wgmma_wait<0>();
    ring.release(previous);
    finish_tile<kGroups>(sums, NUMBERS(g, column), residual, g, row, column);
  }
}

extern "C" __global__ void __launch_bounds__((CONSUMERS + 1) * 128, 1)
    gemm(const __grid_constant__ TensorMap a_map, const __grid_constant__ TensorMap w_map,
         const __grid_constant__ GemmArguments g) {
  extern __shared__ __align__(1024) uint8_t bytes[];
  const uint32_t stages = shared_address(bytes);
  const Ring ring(stages + STAGES * kStageBytes);
  const Turns turns{ring.full + Ring::kBytes};
  if (threadIdx.x == 0) {
    ring.init(4);
    turns.init();
    barrier_init_done();
  }
  __syncthreads();
  start_next_kernel();
  if (warpgroup_id() == CONSUMERS) {
    give_registers<PRODUCER_REGISTERS>();
    if (threadIdx.x == CONSUMERS * 128) Producer{&a_map, &w_map, stages, ring, 0, 0}.run(g);
  } else {
    take_registers<CONSUMER_REGISTERS>();
    consume(stages, ring, turns, g);
  }
}
