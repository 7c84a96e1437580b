// Every row through E4M3 and back, its own largest magnitude as the range.
#include "lines.cuh"

extern "C" __global__ void fake_quantize_rows(const __grid_constant__ Operands operands,
                                              const __grid_constant__ Sizes sizes) {
  const X* const x = (const X*)operands.at[0];
  X* const y = (X*)operands.at[1];
  FOR_EACH_LINE {
    const Index begin = BEGIN;
    float highest = 0;
    FOR_EACH_ELEMENT highest = fmaxf(highest, fabsf(wide(x[begin + OFFSET])));
    highest = line_max(highest);
    const float scale = (highest <= 0x1p-24f ? 1.f : highest) / 448.f;
    FOR_EACH_ELEMENT {
      const e4m3 code = narrow<e4m3>(wide(x[begin + OFFSET]) / scale);
      y[begin + OFFSET] = narrow<X>(to_float(code) * scale);
    }
  }
}
