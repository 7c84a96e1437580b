// LayerNorm over the last axis, with the quantizer behind it where there is one.
//
// One warp a row, rows dealt to warps in grid order. A row stays in registers as it was stored, so
// that several blocks fit on a multiprocessor, and is widened when it is used; the variance is taken
// from distances to the mean, not from a sum of squares. Bytes alone decide the time: the row is
// read once and written once, and the next row is loaded before this one is worked on.
//   WIDTH  columns, a multiple of 8        X, Y  storage types
//   BLOCKS  that shall fit on a multiprocessor
//   F16_STEPS  1: the result is rounded to FP16 before it is quantized
#include "common.cuh"

constexpr int kVectors = (WIDTH + 255) / 256;  // of 8 values, a lane
constexpr int kWarps = 8;

struct alignas(sizeof(X) * 8) Eight {
  X values[8];
};

__device__ __forceinline__ int column_of(int vector) { return vector * 256 + lane_id() * 8; }

__device__ __forceinline__ bool inside(int vector) {
  return WIDTH % 256 == 0 || column_of(vector) < WIDTH;
}

__device__ __forceinline__ void load_row(const X* row, Eight (&raw)[kVectors]) {
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (inside(v)) raw[v] = *(const Eight*)(row + column_of(v));
  }
}

__device__ __forceinline__ float mean_of(const Eight (&raw)[kVectors]) {
  float sum[2] = {0, 0};
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (!inside(v)) continue;
    float x[8];
    load8(raw[v].values, x);
#pragma unroll
    for (int i = 0; i < 8; ++i) sum[i % 2] += x[i];
  }
  return warp_sum(sum[0] + sum[1]) * (1.f / WIDTH);
}

__device__ __forceinline__ float variance_of(const Eight (&raw)[kVectors], float mean) {
  float sum[2] = {0, 0};
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (!inside(v)) continue;
    float x[8];
    load8(raw[v].values, x);
#pragma unroll
    for (int i = 0; i < 8; ++i) sum[i % 2] = fmaf(x[i] - mean, x[i] - mean, sum[i % 2]);
  }
  return warp_sum(sum[0] + sum[1]) * (1.f / WIDTH);
}

// gain and bias: FP32 [WIDTH] in shared memory, values 4..7 of every eight 16 bytes apart from 0..3
// of the same lane's neighbour, so that a warp reads without bank conflicts.
struct Affine {
  float4 low[kVectors * 32];
  float4 high[kVectors * 32];
};

__device__ __forceinline__ void fill(Affine& affine, const float* from) {
  for (int i = threadIdx.x; i < WIDTH / 8; i += kWarps * 32) {
    affine.low[i] = ((const float4*)from)[2 * i];
    affine.high[i] = ((const float4*)from)[2 * i + 1];
  }
}

__device__ __forceinline__ float rounded(float x) {
  return F16_STEPS ? unpack_f16x2(pack_f16x2(x, 0.f)).x : x;
}

__device__ __forceinline__ void store_row(const Eight (&raw)[kVectors], const Affine& gain,
                                          const Affine& bias, float mean, float factor,
                                          float inverse_scale, Y* row) {
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (!inside(v)) continue;
    const int at = v * 32 + lane_id();
    const float4 g0 = gain.low[at], g1 = gain.high[at], b0 = bias.low[at], b1 = bias.high[at];
    const float g[8] = {g0.x, g0.y, g0.z, g0.w, g1.x, g1.y, g1.z, g1.w};
    const float b[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
    float x[8];
    load8(raw[v].values, x);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      x[i] = rounded(fmaf((x[i] - mean) * factor, g[i], b[i])) * inverse_scale;
    }
    store8(row + column_of(v), x);
  }
}

extern "C" __global__ void __launch_bounds__(kWarps * 32, BLOCKS)
    layer_norm(const X* __restrict__ x, const float* __restrict__ gain,
               const float* __restrict__ bias, Y* __restrict__ y, float epsilon,
               float inverse_scale, int64_t rows) {
  __shared__ Affine gains, biases;
  fill(gains, gain);
  fill(biases, bias);
  __syncthreads();
  wait_for_previous_kernel();
  const int64_t stride = (int64_t)gridDim.x * kWarps;
  int64_t row = (int64_t)blockIdx.x * kWarps + threadIdx.x / 32;
  Eight next[kVectors];
  if (row < rows) load_row(x + row * WIDTH, next);
  for (; row < rows; row += stride) {
    Eight raw[kVectors];
#pragma unroll
    for (int v = 0; v < kVectors; ++v) raw[v] = next[v];
    if (row + stride < rows) load_row(x + (row + stride) * WIDTH, next);
    const float mean = mean_of(raw);
    const float factor = rsqrtf(variance_of(raw, mean) + epsilon);
    store_row(raw, gains, biases, mean, factor, inverse_scale, y + row * WIDTH);
  }
}
