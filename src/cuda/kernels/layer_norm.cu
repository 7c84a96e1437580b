// LayerNorm over the last axis, with the quantizer behind it where there is one.
//
// One warp a row, rows dealt to warps in grid order. A row stays in registers: the variance is taken
// from distances to the mean, not from a sum of squares. Bytes alone decide the time: the row is
// read once and written once; the next row is loaded before this one is worked on.
//   WIDTH  columns, a multiple of 8        X, Y  storage types
#include "common.cuh"

constexpr int kVectors = (WIDTH + 255) / 256;  // of 8 values, a lane
constexpr int kWarps = 8;

__device__ __forceinline__ int column_of(int vector) { return vector * 256 + lane_id() * 8; }

__device__ __forceinline__ void load_row(const X* row, float (&values)[kVectors][8]) {
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (column_of(v) < WIDTH) load8(row + column_of(v), values[v]);
  }
}

__device__ __forceinline__ float mean_of(const float (&values)[kVectors][8]) {
  float sum = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (column_of(v) >= WIDTH) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += values[v][i];
  }
  return warp_sum(sum) * (1.f / WIDTH);
}

__device__ __forceinline__ float variance_of(const float (&values)[kVectors][8], float mean) {
  float sum = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (column_of(v) >= WIDTH) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) sum = fmaf(values[v][i] - mean, values[v][i] - mean, sum);
  }
  return warp_sum(sum) * (1.f / WIDTH);
}

// gain and bias: FP32 [WIDTH]
__device__ __forceinline__ void store_row(float (&values)[kVectors][8], const float* gain,
                                          const float* bias, float mean, float factor,
                                          float inverse_scale, Y* row) {
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (column_of(v) >= WIDTH) continue;
    float g[8], b[8];
    load8(gain + column_of(v), g);
    load8(bias + column_of(v), b);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      values[v][i] = step(fmaf((values[v][i] - mean) * factor, g[i], b[i])) * inverse_scale;
    }
    store8(row + column_of(v), values[v]);
  }
}

extern "C" __global__ void __launch_bounds__(kWarps * 32)
    layer_norm(const X* __restrict__ x, const float* __restrict__ gain,
               const float* __restrict__ bias, Y* __restrict__ y, float epsilon,
               float inverse_scale, int64_t rows) {
  const int64_t stride = (int64_t)gridDim.x * kWarps;
  int64_t row = (int64_t)blockIdx.x * kWarps + threadIdx.x / 32;
  if (row >= rows) return;
  float next[kVectors][8];
  load_row(x + row * WIDTH, next);
  for (; row < rows; row += stride) {
    float values[kVectors][8];
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
#pragma unroll
      for (int i = 0; i < 8; ++i) values[v][i] = next[v][i];
    }
    if (row + stride < rows) load_row(x + (row + stride) * WIDTH, next);
    const float mean = mean_of(values);
    const float factor = rsqrtf(variance_of(values, mean) + epsilon);
    store_row(values, gain, bias, mean, factor, inverse_scale, y + row * WIDTH);
  }
}
