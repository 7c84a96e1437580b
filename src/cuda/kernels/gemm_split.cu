// y = epilogue(A W^T) for few rows: one tile of CONSUMERS * 64 rows a cluster, whose SPLITS blocks
// each take a part of K, so that all multiprocessors load at once. Their sums meet through
// distributed shared memory, added in the order of the blocks: the result does not depend on
// timing. Blocks: SPLITS for each tile.
#include "gemm_sm90.cuh"

constexpr int kThreads = CONSUMERS * 128;  // that multiply
// One warp copies. Beside several warpgroups it is one of four, which give their registers away.
constexpr int kCopyThreads = CONSUMERS == 1 ? 32 : 128;
constexpr int kTileRows = CONSUMERS * kWarpgroupRows;
constexpr int kWarpgroupBytes = kWarpgroupRows * kSlabBytes;
constexpr int kABytes = CONSUMERS * kWarpgroupBytes;
constexpr int kStageBytes = kABytes + TILE_COLUMNS * kSlabBytes;
constexpr int kStrips = 2 * kGroups;                         // of a lane
constexpr int kOwnStrips = (kStrips + SPLITS - 1) / SPLITS;  // that this block finishes
static_assert(SPLITS == 1 || kSums * kThreads * 4 <= STAGES * kStageBytes, "sums fit into stages");
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
    const uint32_t stage = stages + at.slot * kStageBytes;
    for (int i = 0; i < CONSUMERS; ++i) {
      load_a(stage + i * kWarpgroupBytes, a_map, ring.full + 8 * at.slot, k,
             row + i * kWarpgroupRows);
    }
  };
  const int ahead = min(slabs.end - slabs.first, STAGES);
#pragma unroll 1
  for (int i = 0; i < ahead; ++i) load_weights(slabs.first + i, RingPosition::at(i));
  wait_for_previous_kernel();
#pragma unroll 1
  for (int i = 0; i < ahead; ++i) load_rows(slabs.first + i, RingPosition::at(i));
  RingPosition at = RingPosition::at(ahead);
#pragma unroll 1
  for (int k = slabs.first + ahead; k < slabs.end; ++k) {
    load_weights(k, at);
    load_rows(k, at);
    at.advance();
  }
}

__device__ __forceinline__ void multiply(float (&sums)[kSums], uint32_t stages, const Ring& ring) {
  const Part slabs = part();
  const uint32_t rows = warpgroup_id() * kWarpgroupBytes;
  RingPosition at = RingPosition::at(0);
  int previous = 0;
#pragma unroll 1
  for (int k = slabs.first; k < slabs.end; ++k) {
    ring.wait(at);
    const uint32_t stage = stages + at.slot * kStageBytes;
    multiply_stage<kABytes, kStageBytes - kABytes>(sums, stage + rows, stage + kABytes,
                                                   k > slabs.first);
    wgmma_wait<1>();
    if (k > slabs.first) ring.release(previous);
    previous = at.slot;
    at.advance();
  }
  wgmma_wait<0>();
}

// Values 4i to 4i + 3 of a lane's strip, strip by strip: 16 bytes of each thread side by side.
__device__ __forceinline__ uint32_t sum_address(uint32_t stages, int strip, int i) {
  return stages + ((strip * kStrip / 4 + i) * kThreads + threadIdx.x) * 16;
}
// Where a strip's value j lies among the sums of its group.
__device__ __forceinline__ constexpr int sum_index(int half, int j) {
  return j / 2 * 4 + half * 2 + j % 2;
}

__device__ __forceinline__ void share_sums(const float (&sums)[kSums], uint32_t stages) {
#pragma unroll
  for (int strip = 0; strip < kStrips; ++strip) {
    const int half = strip % 2, first = strip / 2 * 2 * kStrip;
#pragma unroll
    for (int i = 0; i < kStrip / 4; ++i) {
      asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(sum_address(stages, strip, i)),
                   "f"(sums[first + sum_index(half, 4 * i)]),
                   "f"(sums[first + sum_index(half, 4 * i + 1)]),
                   "f"(sums[first + sum_index(half, 4 * i + 2)]),
                   "f"(sums[first + sum_index(half, 4 * i + 3)])
                   : "memory");
    }
  }
}

// A strip's sums of all blocks, added in their order, where finish_strip expects those of half 0.
__device__ __forceinline__ void gather_sums(uint32_t stages, int strip, float (&sums)[2 * kStrip]) {
#pragma unroll
  for (int i = 0; i < kStrip / 4; ++i) {
    float4 total = make_float4(0, 0, 0, 0);
#pragma unroll
    for (int block = 0; block < SPLITS; ++block) {
      const float4 part = load_remote(remote_address(sum_address(stages, strip, i), block));
      total.x += part.x, total.y += part.y, total.z += part.z, total.w += part.w;
    }
    sums[sum_index(0, 4 * i)] = total.x;
    sums[sum_index(0, 4 * i + 1)] = total.y;
    sums[sum_index(0, 4 * i + 2)] = total.z;
    sums[sum_index(0, 4 * i + 3)] = total.w;
  }
}

// The strips that this block finishes: every SPLITS-th. What all of them need is on the way before
// the first is finished.
struct OwnStrips {
  int rank, row, column;
  ResidualStrip residual[kOwnStrips];

  __device__ __forceinline__ int strip(int i) const { return min(i * SPLITS + rank, kStrips - 1); }
  __device__ __forceinline__ int strip_row(const GemmArguments& g, int i) const {
    const int none = g.rows;
    return i * SPLITS + rank < kStrips ? row + 8 * (strip(i) % 2) : none;
  }
  __device__ __forceinline__ int strip_column(int i) const {
    return column + strip(i) / 2 * kGroup;
  }
  __device__ __forceinline__ void load_residual(const GemmArguments& g) {
#pragma unroll
    for (int i = 0; i < kOwnStrips; ++i) residual[i].load(g, strip_row(g, i), strip_column(i));
  }
  __device__ __forceinline__ void finish(uint32_t stages, const GemmArguments& g) const {
    float sums[kOwnStrips][2 * kStrip] = {};
#pragma unroll
    for (int i = 0; i < kOwnStrips; ++i) gather_sums(stages, strip(i), sums[i]);
#pragma unroll
    for (int i = 0; i < kOwnStrips; ++i) {
      StripNumbers numbers;
      numbers.load(g, strip_column(i));
      float v[kStrip];
      finish_strip(sums[i], 0, 0, numbers, residual[i], v);
      PackedStrip packed;
      packed.pack(v);
      packed.store(g, strip_row(g, i), strip_column(i));
    }
  }
};

__device__ __forceinline__ void finish_alone(const float (&sums)[kSums], const GemmArguments& g,
                                             int row, int column) {
  ResidualTile<kGroups> residual;
  residual.load(g, row, column);
  finish_tile<kGroups>(sums, NUMBERS(g, column), residual, g, row, column);
}

__device__ __forceinline__ void finish_together(const float (&sums)[kSums], uint32_t stages,
                                                const GemmArguments& g, int row, int column) {
  named_barrier_sync(1, kThreads);  // every warp has read the stages
  share_sums(sums, stages);
  cluster_sync();
  OwnStrips strips{(int)cluster_rank(), row, column, {}};
  strips.load_residual(g);
  strips.finish(stages, g);
}

extern "C" __global__ void __launch_bounds__(kThreads + kCopyThreads, 1)
    gemm(const __grid_constant__ TensorMap a_map, const __grid_constant__ TensorMap w_map,
         const __grid_constant__ GemmArguments g) {
  extern __shared__ __align__(1024) uint8_t bytes[];
  const uint32_t stages = shared_address(bytes);
  const Ring ring(stages + STAGES * kStageBytes);
  int row_tile, column_tile;
  place_tile(g, blockIdx.x / SPLITS, row_tile, column_tile);
  const int row = row_tile * kTileRows, column = column_tile * TILE_COLUMNS;
  if (threadIdx.x == 0) {
    ring.init(4 * CONSUMERS);
    barrier_init_done();
  }
  __syncthreads();
  start_next_kernel();
  if (__shfl_sync(~0u, threadIdx.x / 32, 0) < kThreads / 32) {
    if (CONSUMERS > 1) take_registers<CONSUMER_REGISTERS>();
    const int lane_first = row + threadIdx.x / 32 * 16 + lane_row();
    float sums[kSums];
    multiply(sums, stages, ring);
    wait_for_previous_kernel();
    if (SPLITS == 1) {
      finish_alone(sums, g, lane_first, column + lane_column());
    } else {
      finish_together(sums, stages, g, lane_first, column + lane_column());
    }
  } else {
    if (CONSUMERS > 1) give_registers<PRODUCER_REGISTERS>();
    if (threadIdx.x == kThreads) produce(&a_map, &w_map, stages, ring, row, column);
    __syncwarp();
    if (SPLITS > 1) cluster_sync();
  }
  if (SPLITS > 1) cluster_sync();  // nobody leaves while others read its sums
}
