// LayerNorm over the last axis, with the quantizer behind it where there is one.
// One warp a row; rows are dealt to warps in grid order. Statistics in FP32, two passes over
// registers. WIDTH is a multiple of 8; lanes hold 8 values at a time.
#include "common.cuh"

constexpr int kVectors = (WIDTH + 255) / 256;  // of 8 values, a lane

__device__ __forceinline__ float row_sum(const float (&x)[kVectors][8], float mean, bool squared) {
  float sum = 0;
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    if (v * 256 + lane_id() * 8 >= WIDTH) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float d = x[v][i] - mean;
      sum += squared ? d * d : d;
    }
  }
  return warp_sum(sum);
}

extern "C" __global__ void __launch_bounds__(256)
    layer_norm(const X_TYPE* __restrict__ x, const float* __restrict__ gain,
               const float* __restrict__ bias, Y_TYPE* __restrict__ y, float epsilon,
               float inverse_scale, int rows) {
  const int warps = gridDim.x * 8;
  for (int row = blockIdx.x * 8 + threadIdx.x / 32; row < rows; row += warps) {
    float values[kVectors][8];
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const int column = v * 256 + lane_id() * 8;
      if (column < WIDTH) load8(x + (size_t)row * WIDTH + column, values[v]);
    }
    const float mean = row_sum(values, 0.f, false) * (1.f / WIDTH);
    const float variance = row_sum(values, mean, true) * (1.f / WIDTH);
    const float factor = rsqrtf(variance + epsilon);
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const int column = v * 256 + lane_id() * 8;
      if (column >= WIDTH) continue;
      float g[8], b[8];
      load8(gain + column, g);
      load8(bias + column, b);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float normal = step((values[v][i] - mean) * factor);
        values[v][i] = step(step(normal * g[i]) + b[i]) * inverse_scale;
      }
      store8(y + (size_t)row * WIDTH + column, values[v]);
    }
  }
}
