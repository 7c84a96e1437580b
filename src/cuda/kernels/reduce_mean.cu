// The mean of every line.
#include "lines.cuh"

extern "C" __global__ void reduce_mean(const __grid_constant__ Operands operands,
                                       const __grid_constant__ Sizes sizes) {
  const X* const x = (const X*)operands.at[0];
  X* const y = (X*)operands.at[OUTPUT];
  FOR_EACH_LINE {
    const Index begin = BEGIN;
    float sum = 0;
    FOR_EACH_ELEMENT sum += wide(x[begin + OFFSET]);
    sum = line_sum(sum);
    if (threadIdx.x % LINE_THREADS == 0) y[line] = narrow<X>(sum / (float)(EXTENT));
  }
}
