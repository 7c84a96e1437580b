// What the matrix products of sm_90a share. Operands are K-major, cut along K in slabs of 128
// bytes, which the copy engine swizzles; a slab is four wgmma deep. One warp copies, warpgroups
// multiply: they meet at a ring of stages, each with a barrier that says full and one that says
// empty. A stage of two slabs halves the hand-overs, which bound how fast A arrives.
//
// OPERAND_TYPE e4m3 or f16; WGMMA, the generated instruction; K_BYTES; TILE_COLUMNS; STAGES;
// STAGE_SLABS: slabs in a stage, a divisor of K's; CONSUMERS: warpgroups that multiply;
// CONSUMER_REGISTERS, PRODUCER_REGISTERS.
#include "gemm_epilogue.cuh"
#include "sm90.cuh"

constexpr int kSlabBytes = 128;
constexpr int kSlabs = (K_BYTES + kSlabBytes - 1) / kSlabBytes;
constexpr int kSlabElements = kSlabBytes / sizeof(OPERAND_TYPE);
constexpr int kSteps = kSlabs / STAGE_SLABS;  // stages that a tile takes
static_assert(kSlabs % STAGE_SLABS == 0, "a tile takes whole stages");
constexpr int kWarpgroupRows = 64;  // of one wgmma
constexpr int kGroups = TILE_COLUMNS / kGroup;
constexpr int kSums = TILE_COLUMNS / 2;  // registers

// The same in all lanes, and known to be: branches on it may hold wgmma.
__device__ __forceinline__ int warpgroup_id() {
  return __shfl_sync(~0u, threadIdx.x / 128, 0);
}
__device__ __forceinline__ int warp_of_group() {
  return threadIdx.x / 32 % 4;
}

// Where a role is in the ring: the slot of its step, and how often, mod 2, the ring went round.
struct RingPosition {
  int slot;
  uint32_t round;
  static __device__ __forceinline__ RingPosition at(int step) {
    return {step % STAGES, (uint32_t)(step / STAGES) & 1};
  }
  __device__ __forceinline__ void advance() {
    if (++slot == STAGES) slot = 0, round ^= 1;
  }
};

// The barriers of the stages: 8 bytes each in shared memory.
struct Ring {
  uint32_t full, empty;
  __device__ __forceinline__ explicit Ring(uint32_t address)
      : full(address), empty(address + 8 * STAGES) {}
  static constexpr int kBytes = 16 * STAGES;

  // `releases`: warps that read a stage.
  __device__ __forceinline__ void init(int releases) const {
    for (int i = 0; i < STAGES; ++i) {
      barrier_init(full + 8 * i, 1);
      barrier_init(empty + 8 * i, releases);
    }
  }
  // The producer waits until a stage is free and announces its bytes; returns the barrier.
  __device__ __forceinline__ uint32_t acquire(RingPosition at, int bytes) const {
    barrier_wait(empty + 8 * at.slot, at.round ^ 1);
    barrier_expect(full + 8 * at.slot, bytes);
    return full + 8 * at.slot;
  }
  __device__ __forceinline__ void wait(RingPosition at) const {
    barrier_wait(full + 8 * at.slot, at.round);
  }
  // Once a warp: its warpgroup's wgmma on the stage are complete.
  __device__ __forceinline__ void release(int slot) const {
    if (lane_id() == 0) barrier_arrive(empty + 8 * slot);
  }
};

// Warpgroups that read one ring in turn: a parity wait knows only one round, so none may start its
// tile before the one in front has issued its last step.
struct Turns {
  uint32_t barriers;
  static constexpr int kBytes = 8 * CONSUMERS;
  __device__ __forceinline__ void init() const {
    for (int i = 0; i < CONSUMERS; ++i) barrier_init(barriers + 8 * i, 4);
  }
  // `count`: tiles that this warpgroup has taken before.
  __device__ __forceinline__ void take(int warpgroup, int count) const {
    const int passes = warpgroup == 0 ? count - 1 : count;
    if (CONSUMERS > 1 && passes >= 0) barrier_wait(barriers + 8 * warpgroup, passes & 1);
  }
  __device__ __forceinline__ void pass(int warpgroup) const {
    if (CONSUMERS > 1 && lane_id() == 0)
      barrier_arrive(barriers + 8 * ((warpgroup + 1) % CONSUMERS));
  }
};

// 64 rows of A from `row` on, one slab.
__device__ __forceinline__ void load_a(uint32_t target, const TensorMap* map, uint32_t barrier,
                                       int slab, int row) {
  if (kTransposes) {  // of every 16 rows first the even, then the odd ones
    load_tile(target, map, barrier, slab * kSlabElements, 0, 0, row / 16);
  } else {
    load_tile(target, map, barrier, slab * kSlabElements, row);
  }
}

// Adds the slabs of a stage: a 64 rows, b TILE_COLUMNS rows, both at addresses of shared memory,
// their slabs so many bytes apart.
template <int a_step, int b_step>
__device__ __forceinline__ void multiply_stage(float (&sums)[kSums], uint32_t a, uint32_t b,
                                               bool accumulate) {
  wgmma_fence();
#pragma unroll
  for (int slab = 0; slab < STAGE_SLABS; ++slab) {
    const uint64_t a_rows = wgmma_descriptor<kSlabBytes>(a + slab * a_step);
    const uint64_t b_rows = wgmma_descriptor<kSlabBytes>(b + slab * b_step);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      WGMMA(sums, a_rows + 2 * i, b_rows + 2 * i, accumulate || slab + i > 0);
    }
  }
  wgmma_commit();
}
