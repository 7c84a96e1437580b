// Images to rows of patches, ready for the product with the patch weights: row LEADING + p of an
// image holds patch p in channel, line, column order; LEADING rows of zeros stand in front.
//   CHANNELS, HEIGHT, WIDTH, PATCH; LEADING; PITCH of a patch row, a multiple of 8, zeros behind
//   K = CHANNELS * PATCH * PATCH. One block for a line of patches, which are neighbours in both
//   places: whole lines of the image come to shared memory and leave as whole rows.
#include "common.cuh"

constexpr int kAcross = WIDTH / PATCH;
constexpr int kRows = LEADING + HEIGHT / PATCH * kAcross;
constexpr int kK = CHANNELS * PATCH * PATCH;

template <int pixels>
struct Pixels;
template <>
struct Pixels<1> {
  using Type = uint16_t;
};
template <>
struct Pixels<2> {
  using Type = uint32_t;
};
template <>
struct Pixels<8> {
  using Type = uint4;
};
// Moved at a time: within a line of the image, and within a line of a patch.
constexpr int kIn = WIDTH % 8 == 0 ? 8 : WIDTH % 2 == 0 ? 2 : 1;
constexpr int kOut = PATCH % 2 == 0 && WIDTH % 2 == 0 ? 2 : 1;
using In = Pixels<kIn>::Type;
using Out = Pixels<kOut>::Type;

// CHANNELS * PATCH lines of the image.
__device__ __forceinline__ void load_lines(const f16* image, In* lines) {
  constexpr int kLine = WIDTH / kIn;
  for (int i = threadIdx.x; i < CHANNELS * PATCH * kLine; i += blockDim.x) {
    const int channel = i / (PATCH * kLine), rest = i % (PATCH * kLine);
    lines[i] = ((const In*)(image + (int64_t)channel * HEIGHT * WIDTH))[rest];
  }
}

__device__ __forceinline__ Out pixels_of(const Out* lines, int patch, int element) {
  if (element >= kK) return 0;
  const int line = element / PATCH, column = patch * PATCH + element % PATCH;
  return lines[(line * WIDTH + column) / kOut];
}

extern "C" __global__ void patches(const f16* __restrict__ image, f16* __restrict__ rows) {
  extern __shared__ __align__(16) uint8_t bytes[];
  const int down = blockIdx.x, sample = blockIdx.y;
  load_lines(image + ((int64_t)sample * CHANNELS * HEIGHT + down * PATCH) * WIDTH, (In*)bytes);
  __syncthreads();
  f16* first = rows + (int64_t)sample * kRows * PITCH;
  if (down == 0) {
    for (int i = threadIdx.x; i < LEADING * PITCH; i += blockDim.x) first[i] = {0};
  }
  Out* to = (Out*)(first + (int64_t)(LEADING + down * kAcross) * PITCH);
  for (int i = threadIdx.x; i < kAcross * PITCH / kOut; i += blockDim.x) {
    to[i] = pixels_of((const Out*)bytes, i * kOut / PITCH, i * kOut % PITCH);
  }
}
