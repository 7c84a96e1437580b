// Images to rows of patches, ready for the product with the patch weights: row LEADING + p of an
// image holds patch p in channel, line, column order; LEADING rows of zeros stand in front. The
// output's rows are set to the positions, to which the product adds.
//   CHANNELS, HEIGHT, WIDTH, PATCH; LEADING; PITCH of a patch row, a multiple of 8, zeros behind
//   K = CHANNELS * PATCH * PATCH; COLUMNS of the output, a multiple of 8. One block a row.
#include "common.cuh"

constexpr int kAcross = WIDTH / PATCH;
constexpr int kRows = LEADING + HEIGHT / PATCH * kAcross;
constexpr int kK = CHANNELS * PATCH * PATCH;

extern "C" __global__ void patches(const f16* __restrict__ image, const f16* __restrict__ position,
                                   f16* __restrict__ rows, f16* __restrict__ y) {
  const int row = blockIdx.x, sample = blockIdx.y, patch = row - LEADING;
  const int top = patch / kAcross * PATCH, left = patch % kAcross * PATCH;
  const int64_t at = (int64_t)sample * kRows + row;
  for (int i = threadIdx.x; i < PITCH; i += blockDim.x) {
    f16 value = {0};
    if (patch >= 0 && i < kK) {
      const int channel = i / (PATCH * PATCH), line = i / PATCH % PATCH, column = i % PATCH;
      value = image[(((int64_t)sample * CHANNELS + channel) * HEIGHT + top + line) * WIDTH + left +
                    column];
    }
    rows[at * PITCH + i] = value;
  }
  for (int i = threadIdx.x * 8; i < COLUMNS; i += blockDim.x * 8) {
    *(uint4*)(y + at * COLUMNS + i) = *(const uint4*)(position + (int64_t)row * COLUMNS + i);
  }
}
