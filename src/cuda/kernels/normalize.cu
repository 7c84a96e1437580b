// Layer normalisation of rows of any width and dtype:
// (x - mean) / sqrt(variance + EPSILON) * GAIN + SHIFT, rounded to FP16 first where ROUNDED says so,
// divided by Y_SCALE where it has one.
#include "lines.cuh"

extern "C" __global__ void normalize(const __grid_constant__ Operands operands,
                                     const __grid_constant__ Sizes sizes) {
  const X* const x = (const X*)operands.at[0];
  Y* const y = (Y*)operands.at[OUTPUT];
  FOR_EACH_LINE {
    const Index begin = BEGIN;
    float sum = 0;
    FOR_EACH_ELEMENT sum += wide(x[begin + OFFSET]);
    const float mean = line_sum(sum) / (float)(EXTENT);
    float squares = 0;
    FOR_EACH_ELEMENT {
      const float distance = wide(x[begin + OFFSET]) - mean;
      squares = fmaf(distance, distance, squares);
    }
    const float factor = 1.f / sqrtf(line_sum(squares) / (float)(EXTENT) + EPSILON);
    FOR_EACH_ELEMENT {
      float value = fmaf((wide(x[begin + OFFSET]) - mean) * factor, GAIN, SHIFT);
      if (ROUNDED) value = round_f16(value);
      y[begin + OFFSET] = narrow<Y>(value / Y_SCALE);
    }
  }
}
