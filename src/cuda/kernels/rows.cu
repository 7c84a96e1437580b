// Kernels that move whole rows. Widths are multiples of 8; a block a row, a thread 8 values.
#include "common.cuh"

// ids i64 [samples, LENGTH]; row r of sample s is table[ids[s][r]] + position[r]. With RAGGED the
// samples' rows lie packed, where `ranges` i32 [samples, 2] says. An id outside the table gives
// NaN.
extern "C" __global__ void embedding(const int64_t* __restrict__ ids, const X* __restrict__ table,
                                     const X* __restrict__ position,
                                     const int32_t* __restrict__ ranges, X* __restrict__ y,
                                     int64_t table_rows) {
  const int sample = blockIdx.y, row = blockIdx.x;
  int64_t out_row = (int64_t)sample * LENGTH + row;
  if (RAGGED) {
    out_row = ranges[2 * sample] + row;
    if (out_row >= ranges[2 * sample + 1]) return;
  }
  const int64_t id = ids[(int64_t)sample * LENGTH + row];
  const bool known = id >= 0 && id < table_rows;
  for (int column = threadIdx.x * 8; column < WIDTH; column += blockDim.x * 8) {
    float a[8], b[8];
    load8(table + (known ? id : 0) * WIDTH + column, a);
    load8(position + (int64_t)row * WIDTH + column, b);
#pragma unroll
    for (int i = 0; i < 8; ++i) a[i] = known ? a[i] + b[i] : __int_as_float(0x7fffffff);
    store8(y + out_row * WIDTH + column, a);
  }
}

// Row `index` of every sample of LENGTH rows, or with RAGGED the last row of each. Bytes, 8 a
// thread.
extern "C" __global__ void pick_row(const uint2* __restrict__ x, const int32_t* __restrict__ ranges,
                                    uint2* __restrict__ y, int64_t index) {
  start_next_kernel();
  wait_for_previous_kernel();
  const int sample = blockIdx.x;
  const int64_t row = RAGGED ? ranges[2 * sample + 1] - 1 : (int64_t)sample * LENGTH + index;
  for (int i = threadIdx.x; i < ROW_BYTES / 8; i += blockDim.x) {
    y[(int64_t)sample * (ROW_BYTES / 8) + i] = x[row * (ROW_BYTES / 8) + i];
  }
}
