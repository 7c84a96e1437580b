// y = epilogue(A W^T) with the warps' matrix instruction and asynchronous copies: for architectures
// without wgmma. A block computes one tile; its warps stand WARPS_DOWN x WARPS_ACROSS, each with
// ROW_BLOCKS x 16 rows and 64 columns. Operands are cut along K in slabs of 64 bytes, STAGES of
// them in flight.
//
// OPERAND_TYPE e4m3 or f16; K_BYTES; WEIGHT_PITCH in bytes.
#include "gemm_epilogue.cuh"
#include "mma_sync.cuh"

constexpr int kSlabBytes = 64;
constexpr int kSlabs = (K_BYTES + kSlabBytes - 1) / kSlabBytes;
constexpr int kThreads = WARPS_DOWN * WARPS_ACROSS * 32;
constexpr int kWarpRows = ROW_BLOCKS * 16;
constexpr int kWarpColumns = 64;
constexpr int kTileRows = WARPS_DOWN * kWarpRows;
constexpr int kABytes = kTileRows * kSlabBytes;
constexpr int kStageBytes = kABytes + TILE_COLUMNS * kSlabBytes;
constexpr int kGroups = kWarpColumns / kGroup;
constexpr int kColumnBlocks = kWarpColumns / 8;
static_assert(TILE_COLUMNS == WARPS_ACROSS * kWarpColumns, "a warp takes 64 columns");

// Copies 16 bytes, of which the first `size` are read and the others zero.
__device__ __forceinline__ void copy16(uint32_t target, const void* from, int size) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"(from), "r"(size)
               : "memory");
}
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int pending>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

// d[16x8] += a[16x32] b[32x8]: E4M3 operands, FP32 sums.
__device__ __forceinline__ void mma_e4m3(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                         uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Where 16 bytes of a slab lie: of each two rows, which share 128 bytes, the four parts are
// exchanged so that 8 rows of one part lie in different banks.
__device__ __forceinline__ uint32_t part_offset(int row, int part) {
  return row * kSlabBytes + (part ^ row / 2 % 4) * 16;
}

// Rows of an operand [rows, pitch], one slab; rows from `end` on are zeros.
template <int rows>
__device__ __forceinline__ void copy_slab(uint32_t target, const uint8_t* operand, int64_t pitch,
                                          int first, int end, int slab) {
#pragma unroll
  for (int i = threadIdx.x; i < rows * 4; i += kThreads) {
    const int row = i / 4, byte = slab * kSlabBytes + i % 4 * 16;
    const int size = first + row < end ? max(min(K_BYTES - byte, 16), 0) : 0;
    const uint8_t* from = operand + (first + row) * pitch + byte;
    copy16(target + part_offset(row, i % 4), size > 0 ? from : operand, size);
  }
}

struct Tile {
  const uint8_t* a;
  int64_t a_pitch;
  int rows;  // of the product
  const uint8_t* weight;
  int row, column;

  __device__ __forceinline__ void copy(uint32_t stage, int slab) const {
    copy_slab<kTileRows>(stage, a, a_pitch, row, rows, slab);
    copy_slab<TILE_COLUMNS>(stage + kABytes, weight, WEIGHT_PITCH, column, PADDED_COLUMNS, slab);
  }
};

// A fragment's row in a block of 16.
__device__ __forceinline__ int block_row(int row) {
  return kTransposes ? row % 8 * 2 + row / 8 : row;
}

// The part of a slab, 32 bytes of K, that one instruction takes.
__device__ __forceinline__ void multiply_step(float (&sums)[ROW_BLOCKS][kColumnBlocks][4],
                                              uint32_t stage, int warp_row, int warp_column,
                                              int k) {
  const int lane = lane_id();
  uint32_t a[ROW_BLOCKS][4];
#pragma unroll
  for (int i = 0; i < ROW_BLOCKS; ++i) {
    const int row = warp_row + i * 16 + block_row(lane % 16);
    load_matrices(a[i], stage + part_offset(row, 2 * k + lane / 16));
  }
#pragma unroll
  for (int j = 0; j < kColumnBlocks; j += 2) {
    uint32_t b[4];
    const int column = warp_column + j * 8 + lane / 16 * 8 + lane % 8;
    load_matrices(b, stage + kABytes + part_offset(column, 2 * k + lane / 8 % 2));
#pragma unroll
    for (int i = 0; i < ROW_BLOCKS; ++i) {
      MMA(sums[i][j], a[i], b[0], b[1]);
      MMA(sums[i][j + 1], a[i], b[2], b[3]);
    }
  }
}

extern "C" __global__ void __launch_bounds__(kThreads)
    gemm(const uint8_t* __restrict__ a, int64_t a_pitch, const uint8_t* __restrict__ weight,
         const __grid_constant__ GemmArguments g) {
  extern __shared__ __align__(128) uint8_t bytes[];
  const uint32_t stages = shared_address(bytes);
  int row_tile, column_tile;
  place_tile(g, blockIdx.x, row_tile, column_tile);
  const Tile tile{a, a_pitch, g.rows, weight, row_tile * kTileRows, column_tile * TILE_COLUMNS};
  const int warp = threadIdx.x / 32;
  const int warp_row = warp / WARPS_ACROSS * kWarpRows;
  const int warp_column = warp % WARPS_ACROSS * kWarpColumns;

  float sums[ROW_BLOCKS][kColumnBlocks][4] = {};
#pragma unroll
  for (int k = 0; k < STAGES - 1; ++k) {
    if (k < kSlabs) tile.copy(stages + k * kStageBytes, k);
    commit_copies();
  }
#pragma unroll 1
  for (int k = 0; k < kSlabs; ++k) {
    wait_copies<STAGES - 2>();
    __syncthreads();
    const int next = k + STAGES - 1;
    if (next < kSlabs) tile.copy(stages + next % STAGES * kStageBytes, next);
    commit_copies();
#pragma unroll
    for (int i = 0; i < kSlabBytes / 32; ++i) {
      multiply_step(sums, stages + k % STAGES * kStageBytes, warp_row, warp_column, i);
    }
  }

  const int column = tile.column + warp_column + lane_column();
  const FetchedNumbers numbers(g, column);
#pragma unroll
  for (int i = 0; i < ROW_BLOCKS; ++i) {
    const int row = tile.row + warp_row + i * 16 + lane_row();
    ResidualTile<kGroups> residual;
    residual.load(g, row, column);
    float flat[kColumnBlocks * 4];
#pragma unroll
    for (int j = 0; j < kColumnBlocks * 4; ++j) flat[j] = sums[i][j / 4][j % 4];
    finish_tile<kGroups>(flat, numbers, residual, g, row, column);
  }
}
