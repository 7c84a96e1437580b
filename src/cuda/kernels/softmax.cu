// Softmax along any axis: exp(x - max) / sum.
#include "lines.cuh"

extern "C" __global__ void softmax(const __grid_constant__ Operands operands,
                                   const __grid_constant__ Sizes sizes) {
  const X* const x = (const X*)operands.at[0];
  X* const y = (X*)operands.at[1];
  FOR_EACH_LINE {
    const Index begin = BEGIN;
    float highest = __int_as_float(0xff800000);
    FOR_EACH_ELEMENT highest = fmaxf(highest, wide(x[begin + OFFSET]));
    highest = line_max(highest);
    float sum = 0;
    FOR_EACH_ELEMENT sum += expf(wide(x[begin + OFFSET]) - highest);
    sum = line_sum(sum);
    FOR_EACH_ELEMENT {
      y[begin + OFFSET] = narrow<X>(expf(wide(x[begin + OFFSET]) - highest) / sum);
    }
  }
}
