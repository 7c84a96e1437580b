#pragma once

#include "tensor/tensor.h"

namespace octet::cuda {

constexpr unsigned kQgmma = 0x9F3;  ///< wgmma of e4m3
constexpr unsigned kHgmma = 0x9F0;  ///< wgmma of f16

/// How many instructions of a cubin have the opcode: the low 12 bits of each 16 bytes.
int count_opcode(const Tensor& cubin, unsigned opcode);

}  // namespace octet::cuda
