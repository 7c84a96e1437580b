// Plain matrix products, for any extents and any order of the operands in memory: tiles of both are
// brought to shared memory as FP32, sums are FP32 in ascending order of k.
//   MATRICES, ROWS, COLUMNS, DEPTH  of the results; `matrix`, `row`, `column` and `k` number them
//   LEFT, RIGHT   an element of an operand
//   RESULT, TARGET  the result from `sum`, in Y, and its offset in the output
#include "generic.cuh"
#include "functions.cuh"

constexpr int kTile = 64;   // rows and columns of a block's tile
constexpr int kDepth = 16;  // of both operands in shared memory
constexpr int kThreads = 256;
constexpr int kPitch = kTile + 4;

// The operands' tiles, and after them their product.
union Memory {
  struct {
    float left[kDepth][kPitch];
    float right[kDepth][kPitch];
  } operands;
  float sums[kTile][kPitch];
};

struct Tile {
  Index matrix, row, column;
};

__device__ __forceinline__ void fetch(const Operands& operands, const Sizes& sizes, Tile tile,
                                      Index depth, float (&left)[kDepth][kPitch],
                                      float (&right)[kDepth][kPitch]) {
  const Index matrix = tile.matrix;
#pragma unroll
  for (int i = threadIdx.x; i < kTile * kDepth; i += kThreads) {
    const Index row = tile.row + i / kDepth, k = depth + i % kDepth;
    left[i % kDepth][i / kDepth] = row < ROWS && k < DEPTH ? LEFT : 0.f;
  }
#pragma unroll
  for (int i = threadIdx.x; i < kTile * kDepth; i += kThreads) {
    const Index column = tile.column + i % kTile, k = depth + i / kTile;
    right[i / kTile][i % kTile] = column < COLUMNS && k < DEPTH ? RIGHT : 0.f;
  }
}

__device__ __forceinline__ void multiply(const float (&left)[kDepth][kPitch],
                                         const float (&right)[kDepth][kPitch],
                                         float (&sums)[4][4]) {
  const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
#pragma unroll
  for (int k = 0; k < kDepth; ++k) {
    const float4 a = *(const float4*)&left[k][row], b = *(const float4*)&right[k][column];
    const float as[4] = {a.x, a.y, a.z, a.w}, bs[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
    for (int i = 0; i < 16; ++i) sums[i / 4][i % 4] = fmaf(as[i / 4], bs[i % 4], sums[i / 4][i % 4]);
  }
}

// Through shared memory, so that neighbouring threads store neighbouring columns.
__device__ __forceinline__ void store(const Operands& operands, const Sizes& sizes, Tile tile,
                                      const float (&own)[4][4], float (&sums)[kTile][kPitch]) {
  Y* const y = (Y*)operands.at[OUTPUT];
  const Index matrix = tile.matrix;
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    sums[threadIdx.x / 16 * 4 + i / 4][threadIdx.x % 16 * 4 + i % 4] = own[i / 4][i % 4];
  }
  __syncthreads();
#pragma unroll 1
  for (int i = threadIdx.x; i < kTile * kTile; i += kThreads) {
    const Index row = tile.row + i / kTile, column = tile.column + i % kTile;
    const float sum = sums[i / kTile][i % kTile];
    if (row < ROWS && column < COLUMNS) y[TARGET] = narrow<Y>(RESULT);
  }
}

extern "C" __global__ void __launch_bounds__(kThreads)
    plain_product(const __grid_constant__ Operands operands,
                  const __grid_constant__ Sizes sizes) {
  __shared__ __align__(16) Memory memory;
  auto& left = memory.operands.left;
  auto& right = memory.operands.right;
  const Index down = (ROWS + kTile - 1) / kTile, across = (COLUMNS + kTile - 1) / kTile;
  const Index tiles = MATRICES * down * across;
  for (Index at = blockIdx.x; at < tiles; at += gridDim.x) {
    const Tile tile{at / (down * across), at / across % down * kTile, at % across * kTile};
    float sums[4][4] = {};
    for (Index depth = 0; depth < DEPTH; depth += kDepth) {
      __syncthreads();
      fetch(operands, sizes, tile, depth, left, right);
      __syncthreads();
      multiply(left, right, sums);
    }
    store(operands, sizes, tile, sums, memory.sums);
  }
}
