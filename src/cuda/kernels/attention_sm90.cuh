// What Hopper's attention kernels share. Defines: E4M3 (1, or 0 for f16), Y, HEADS, HEAD_DIM, ROWS,
// STAGES, QUANTIZED; kernels with E4M3 operands always quantize.
#include "sm90.cuh"

constexpr int kWidth = HEADS * HEAD_DIM;
constexpr int kElementBytes = E4M3 ? 1 : 2;
constexpr int kDepthSteps = (HEAD_DIM * kElementBytes + 31) / 32;  // of the first product
// Does a sample's window of slots begin before the sample?
constexpr bool kShifted = E4M3 && ROWS % 16 != 0;
constexpr float kNone = -1e30f;  // the score of a slot that holds no key

__device__ __forceinline__ float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float load_shared_float(uint32_t address) {
  float value;
  asm volatile("ld.volatile.shared.f32 %0, [%1];" : "=f"(value) : "r"(address) : "memory");
  return value;
}
__device__ __forceinline__ void store_shared(uint32_t address, float value) {
  asm volatile("st.shared.f32 [%0], %1;" ::"r"(address), "f"(value) : "memory");
}
__device__ __forceinline__ void store_shared(uint32_t address, uint32_t value) {
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(value) : "memory");
}
__device__ __forceinline__ void store_shared_byte(uint32_t address, uint32_t value) {
  asm volatile("st.shared.u8 [%0], %1;" ::"r"(address), "r"(value) : "memory");
}

#include "attention_sm90_e4m3.cuh"
#include "attention_sm90_f16.cuh"

// Which sample and head a block works on, and where its slots begin. From the last to the first:
// the product before wrote the last ones last, so that they are still in the cache.
struct Item {
  int sample;
  int head;
  __device__ __forceinline__ Item(int index, int items)
      : sample((items - 1 - index) / HEADS), head((items - 1 - index) % HEADS) {}
  __device__ __forceinline__ int first_row() const { return sample * ROWS; }
  __device__ __forceinline__ int shift() const { return kShifted ? first_row() % 16 : 0; }
};

// A place in the ring of stages.
struct Stage {
  int index = 0;
  uint32_t parity = 0;
  __device__ __forceinline__ void advance() {
    if (++index == STAGES) index = 0, parity ^= 1;
  }
};

// Scores, exponentials and probabilities share an array: element index(h, j, e) is row lane/4 + 8h
// of the warp's 16, slot slot_of(j, t, e).
__device__ constexpr int index(int half, int block, int e) {
  return 4 * block + 2 * half + e;
}
template <int columns>
__device__ __forceinline__ float (&part_of(float* x))[columns / 2] {
  return *(float(*)[columns / 2]) x;
}

// Normalised probabilities as the left operand of the second product.
template <int scores, int groups>
__device__ __forceinline__ void pack_codes(const float (&x)[scores], const float (&inverse)[2],
                                           uint32_t (&p)[groups][4]) {
#pragma unroll
  for (int g = 0; g < groups; ++g) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int half = i & 1;
      const auto value = [&](int j, int e) {
        return 4 * j < scores ? x[4 * j < scores ? index(half, j, e) : 0] * inverse[half] : 0.f;
      };
      p[g][i] = operand(value, g, i / 2);
    }
  }
}

// This lane's features of both its rows, of which the warp has `rows`; y is row 0 of them.
__device__ __forceinline__ void store_tile(const float (&o)[HEAD_DIM / 2], Y* y, float y_factor,
                                           int rows = 16) {
  const int lane = lane_id();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float v[HEAD_DIM / 4];
#pragma unroll
    for (int i = 0; i < HEAD_DIM / 4; ++i) v[i] = o[index(half, i / 2, i & 1)] * y_factor;
    if (lane / 4 + 8 * half < rows)
      store_lane(v, y + (size_t)(lane / 4 + 8 * half) * kWidth, lane & 3);
  }
}
