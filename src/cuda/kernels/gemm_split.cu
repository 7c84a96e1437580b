// y = epilogue(A W^T) for few rows: one tile of 64 rows a cluster, whose SPLITS blocks each take a
// part of K, so that all multiprocessors load weights at once. Their sums meet through distributed
// shared memory, added in the order of the blocks: the result does not depend on timing.
// Blocks: SPLITS for each tile.
#include "gemm_sm90.cuh"

constexpr int kABytes = kWarpgroupRows * kSlabBytes;
constexpr int kStageBytes = kABytes + TILE_COLUMNS * kSlabBytes;
static_assert(SPLITS == 1 || kSums * 128 * 4 <= STAGES * kStageBytes, "sums fit into the stages");
static_assert(SPLITS == 1 || !kTransposes, "transposed stores need both rows of a pair");

// The slabs of this block.
struct Part {
  int first, end;
};
__device__ __forceinline__ Part part() {
  const int rank = SPLITS > 1 ? (int)cluster_rank() : 0;
  return {rank * kSlabs / SPLITS, (rank + 1) * kSlabs / SPLITS};
}

// Weights do not depend on the kernel before: theirs are on the way while it ends.
__device__ __forceinline__ void produce(const TensorMap* a_map, const TensorMap* w_map,
                                        uint32_t stages, const Ring& ring, int row, int column) {
  const Part slabs = part();
  const auto load_weights = [&](int k, RingPosition at) {
    const uint32_t barrier = ring.acquire(at, kStageBytes);
    load_tile(stages + at.slot * kStageBytes + kABytes, w_map, barrier, k * kSlabElements, column);
  };
  const auto load_rows = [&](int k, RingPosition at) {
    load_a(stages + at.slot * kStageBytes, a_map, ring.full + 8 * at.slot, k, row);
  };
  const int ahead = min(slabs.end - slabs.first, STAGES);
  for (int i = 0; i < ahead; ++i) load_weights(slabs.first + i, RingPosition::at(i));
  wait_for_previous_kernel();
  for (int i = 0; i < ahead; ++i) load_rows(slabs.first + i, RingPosition::at(i));
  RingPosition at = RingPosition::at(ahead);
  for (int k = slabs.first + ahead; k < slabs.end; ++k) {
    load_weights(k, at);
    load_rows(k, at);
    at.advance();
  }
}

__device__ __forceinline__ void multiply(float (&sums)[kSums], uint32_t stages, const Ring& ring) {
  const Part slabs = part();
  RingPosition at = RingPosition::at(0);
  int previous = 0;
#pragma unroll 1
  for (int k = slabs.first; k < slabs.end; ++k) {
    ring.wait(at);
    const uint32_t stage = stages + at.slot * kStageBytes;
    multiply_slab(sums, stage, stage + kABytes, k > slabs.first);
    wgmma_wait<1>();
    if (k > slabs.first) ring.release(previous);
    previous = at.slot;
    at.advance();
  }
  wgmma_wait<0>();
}

// Register i of thread t of a block's sums.
__device__ __forceinline__ uint32_t sum_address(uint32_t stages, int i) {
  return stages + (i * 128 + threadIdx.x) * 4;
}

// Finishes every SPLITS-th strip with the sums of all blocks.
__device__ __forceinline__ void finish_part(uint32_t stages, const GemmArguments& g, int row,
                                            int column) {
  const int rank = (int)cluster_rank();
#pragma unroll
  for (int strip = 0; strip < 2 * kGroups; ++strip) {
    if (strip % SPLITS != rank) continue;
    const int group = strip / 2, half = strip % 2;
    const int strip_row = row + 8 * half, strip_column = column + group * kGroup;
    ResidualStrip residual;
    residual.load(g, strip_row, strip_column);
    StripNumbers numbers;
    numbers.load(g, strip_column);
    float sums[2 * kStrip] = {};  // one group's, of which one half is used
#pragma unroll
    for (int j = 0; j < kStrip; ++j) {
      const int i = j / 2 * 4 + half * 2 + j % 2;
      const uint32_t address = sum_address(stages, group * 2 * kStrip + i);
#pragma unroll
      for (int block = 0; block < SPLITS; ++block) {
        sums[i] += load_remote(remote_address(address, block));
      }
    }
    float v[kStrip];
    finish_strip(sums, 0, half, numbers, residual, v);
    PackedStrip packed;
    packed.pack(v);
    packed.store(g, strip_row, strip_column);
  }
}

__device__ __forceinline__ void share_sums(const float (&sums)[kSums], uint32_t stages) {
#pragma unroll
  for (int i = 0; i < kSums; ++i) {
    asm volatile("st.shared.f32 [%0], %1;" ::"r"(sum_address(stages, i)), "f"(sums[i]) : "memory");
  }
}

__device__ __forceinline__ void consume(uint32_t stages, const Ring& ring, const GemmArguments& g,
                                        int row, int column) {
  float sums[kSums];
  if (SPLITS == 1) {
    multiply(sums, stages, ring);
    wait_for_previous_kernel();
    ResidualTile<kGroups> residual;
    residual.load(g, row, column);
    finish_tile<kGroups>(sums, NUMBERS(g, column), residual, g, row, column);
    return;
  }
  multiply(sums, stages, ring);
  named_barrier_sync(1, 128);  // every warp has read its stages
  share_sums(sums, stages);
}

extern "C" __global__ void __launch_bounds__(160, 1)
    gemm(const __grid_constant__ TensorMap a_map, const __grid_constant__ TensorMap w_map,
         const __grid_constant__ GemmArguments g) {
  extern __shared__ __align__(1024) uint8_t bytes[];
  const uint32_t stages = shared_address(bytes);
  const Ring ring(stages + STAGES * kStageBytes);
  int row_tile, column_tile;
  place_tile(g, blockIdx.x / SPLITS, row_tile, column_tile);
  const int row = row_tile * kWarpgroupRows, column = column_tile * TILE_COLUMNS;
  if (threadIdx.x == 0) {
    ring.init(4);
    barrier_init_done();
  }
  __syncthreads();
  start_next_kernel();
  const int lane_first = row + warp_of_group() * 16 + lane_row();
  const bool multiplies = __shfl_sync(~0u, threadIdx.x / 32, 0) < 4;
  if (multiplies) {
    consume(stages, ring, g, lane_first, column + lane_column());
  } else if (threadIdx.x == 128) {
    produce(&a_map, &w_map, stages, ring, row, column);
  }
  if (SPLITS == 1) return;
  __syncwarp();
  cluster_sync();
  if (multiplies) {
    wait_for_previous_kernel();
    finish_part(stages, g, lane_first, column + lane_column());
  }
  cluster_sync();  // nobody leaves while others read its sums
}
