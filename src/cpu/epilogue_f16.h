#pragma once

#include <cstdint>

#include "cpu/epilogue.h"

namespace octet::cpu {

/// `finish_rows` in the processor's FP16 arithmetic, where a rounded step is one instruction: same
/// arguments, same results to the bit. Does nothing and returns false where that does not reach:
/// steps that are not rounded to FP16, a bias that is no FP16 number, a panel that is not whole, or
/// codes and activations without a table. Only to be called where `has_avx512_fp16()`.
bool finish_rows_f16(const Epilogue& epilogue, int64_t first_row, int64_t count,
                     int64_t first_column, const float* sums);

}  // namespace octet::cpu
