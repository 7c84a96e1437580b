// Lines of elements, each worked on by the LINE_THREADS threads of a warp or of a block.
//   LINES   how many; `line` is the number of one
//   EXTENT  elements of a line; `j` is the number of one
//   BEGIN, OFFSET  where a line begins in the input, and where element j is from there
#include "generic.cuh"

constexpr int kBlock = 256;
constexpr int kLinesPerBlock = kBlock / LINE_THREADS;

#define FOR_EACH_LINE                                                               \
  for (Index line = (Index)blockIdx.x * kLinesPerBlock + threadIdx.x / LINE_THREADS; \
       line < LINES; line += (Index)gridDim.x * kLinesPerBlock)
#define FOR_EACH_ELEMENT for (Index j = threadIdx.x % LINE_THREADS; j < EXTENT; j += LINE_THREADS)

// combine(a, b) over all threads of a line, in each of them.
template <typename Combine>
__device__ __forceinline__ float over_line(float x, Combine combine) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    x = combine(x, __shfl_xor_sync(~0u, x, offset));
  }
  if (LINE_THREADS == 32) return x;
  __shared__ float parts[kBlock / 32];
  __syncthreads();
  if (lane_id() == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  x = parts[0];
#pragma unroll
  for (int warp = 1; warp < kBlock / 32; ++warp) x = combine(x, parts[warp]);
  return x;
}
__device__ __forceinline__ float line_sum(float x) {
  return over_line(x, [](float a, float b) { return a + b; });
}
__device__ __forceinline__ float line_max(float x) {
  return over_line(x, [](float a, float b) { return fmaxf(a, b); });
}
