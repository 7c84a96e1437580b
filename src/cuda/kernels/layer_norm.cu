// LayerNorm over the last axis, with the quantizer behind it where there is one.
//
// One warp a row, rows dealt to warps in grid order. A row is widened once and stays in registers;
// the variance is taken from distances to the mean, not from a sum of squares. Bytes alone decide
// the time: the row is read once and written once, and the next row is loaded, as it was stored,
// before this one is worked on, so that several blocks fit on a multiprocessor. Rows are
// walked from the last to the first: the kernel before wrote the last ones last, so that they are
// still in the cache, and the kernel behind begins with those that are written last here.
//   WIDTH  columns, a multiple of 8        X, Y  storage types
//   BLOCKS  that shall fit on a multiprocessor
//   F16_STEPS  1: the result is rounded to FP16 before it is quantized
#include "common.cuh"

constexpr int kVectors = (WIDTH + 255) / 256;  // of 8 values, a lane
constexpr int kWarps = 8;

struct alignas(sizeof(X) * 8) Eight {
  X values[8];
};

__device__ __forceinline__ int column_of(int vector) {
  return vector * 256 + lane_id() * 8;
}

__device__ __forceinline__ bool inside(int vector) {
  return WIDTH % 256 == 0 || column_of(vector) < WIDTH;
}

__device__ __forceinline__ void load_row(const X* row, Eight (&raw)[kVectors]) {
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (inside(v)) raw[v] = *(const Eight*)(row + column_of(v));
  }
}

// A lane's values of a row, columns behind the end left out.
struct Row {
  float x[kVectors][8];

  __device__ __forceinline__ explicit Row(const Eight (&raw)[kVectors]) {
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      if (inside(v)) load8(raw[v].values, x[v]);
    }
  }
  template <class F>
  __device__ __forceinline__ void each(F f) {
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      if (!inside(v)) continue;
#pragma unroll
      for (int i = 0; i < 8; ++i) f(x[v][i], i);
    }
  }
  // Leaves distances to the mean; returns their variance.
  __device__ __forceinline__ float centre() {
    float sum[2] = {0, 0}, squares[2] = {0, 0};
    each([&](float value, int i) { sum[i % 2] += value; });
    const float mean = warp_sum(sum[0] + sum[1]) * (1.f / WIDTH);
    each([&](float& value, int i) {
      value -= mean;
      squares[i % 2] = fmaf(value, value, squares[i % 2]);
    });
    return warp_sum(squares[0] + squares[1]) * (1.f / WIDTH);
  }
};

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

// Pairs, because the conversion to FP16 takes two.
__device__ __forceinline__ void round_steps(float (&x)[8]) {
#pragma unroll
  for (int i = 0; F16_STEPS && i < 8; i += 2) {
    const float2 pair = unpack_f16x2(pack_f16x2(x[i], x[i + 1]));
    x[i] = pair.x, x[i + 1] = pair.y;
  }
}

// `row` holds distances to the mean.
__device__ __forceinline__ void store_row(Row& row, const Affine& gain, const Affine& bias,
                                          float factor, float inverse_scale, Y* y) {
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (!inside(v)) continue;
    const int at = v * 32 + lane_id();
    const float4 g0 = gain.low[at], g1 = gain.high[at], b0 = bias.low[at], b1 = bias.high[at];
    const float g[8] = {g0.x, g0.y, g0.z, g0.w, g1.x, g1.y, g1.z, g1.w};
    const float b[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
    float(&x)[8] = row.x[v];
#pragma unroll
    for (int i = 0; i < 8; ++i) x[i] = fmaf(x[i] * factor, g[i], b[i]);
    round_steps(x);
#pragma unroll
    for (int i = 0; i < 8; ++i) x[i] *= inverse_scale;
    store8(y + column_of(v), x);
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
  start_next_kernel();
  wait_for_previous_kernel();
  const int64_t stride = (int64_t)gridDim.x * kWarps;
  int64_t row = rows - 1 - ((int64_t)blockIdx.x * kWarps + threadIdx.x / 32);
  Eight next[kVectors];
  if (row >= 0) load_row(x + row * WIDTH, next);
  for (; row >= 0; row -= stride) {
    Row values(next);
    if (row >= stride) load_row(x + (row - stride) * WIDTH, next);
    const float factor = rsqrtf(values.centre() + epsilon);
    store_row(values, gains, biases, factor, inverse_scale, y + row * WIDTH);
  }
}
