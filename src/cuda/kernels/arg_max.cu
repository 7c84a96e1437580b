// The first of the largest elements of every line, a warp a line.
#include "lines.cuh"

extern "C" __global__ void arg_max(const __grid_constant__ Operands operands,
                                   const __grid_constant__ Sizes sizes) {
  const X* const x = (const X*)operands.at[0];
  int64_t* const y = (int64_t*)operands.at[1];
  FOR_EACH_LINE {
    const Index begin = BEGIN;
    // Lanes without an element of their own begin with the first one.
    Index j = lane_id() < EXTENT ? lane_id() : 0;
    int64_t best = j;
    auto highest = wide(x[begin + OFFSET]);
    for (j += 32; j < EXTENT; j += 32) {
      const auto value = wide(x[begin + OFFSET]);
      if (value <= highest) continue;
      highest = value;
      best = j;
    }
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2) {
      const auto value = __shfl_xor_sync(~0u, highest, lanes);
      const int64_t at = __shfl_xor_sync(~0u, best, lanes);
      if (value > highest || (value == highest && at < best)) {
        highest = value;
        best = at;
      }
    }
    if (lane_id() == 0) y[line] = best;
  }
}
