#pragma once

#include "cpu/matrix.h"

namespace octet::cpu {

// Dot kernels of sets that need an instruction set of their own, one translation unit each. Only to
// be called where `available` of the set says so.
const DotKernels& avx512_bf16_kernels();
const DotKernels& amx_bf16_kernels();

/// AVX-512 with byte permutes (VBMI) and BF16 dot products, by processor and operating system.
bool has_avx512_bf16();
/// The same with AMX tiles of BF16. Asks the operating system for the tile state, once.
bool has_amx_bf16();
/// FP16 arithmetic on AVX-512 vectors (AVX512-FP16).
bool has_avx512_fp16();
/// Instructions of this processor that multiply INT8 faster than any set here multiplies E4M3
/// ("AVX512-VNNI"); empty when there are none.
std::string_view int8_instructions();

}  // namespace octet::cpu
