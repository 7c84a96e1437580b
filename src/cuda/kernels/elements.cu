// Every element of the output by itself: element-wise operators and those that only move data.
//   COUNT    elements to compute; i is the number of one
//   VALUE    the element, in Y
//   TARGET   its offset in the output, operand OUTPUT
//   GUARD    whether it is written
#include "generic.cuh"
#include "functions.cuh"

extern "C" __global__ void elements(const __grid_constant__ Operands operands,
                                    const __grid_constant__ Sizes sizes) {
  const Index count = COUNT, step = (Index)gridDim.x * blockDim.x;
  Y* const y = (Y*)operands.at[OUTPUT];
  for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
    if (GUARD) y[TARGET] = VALUE;
  }
}
