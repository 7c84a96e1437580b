#pragma once

#include <span>

#include "cpu/kernel_table.h"

namespace octet::cpu::reference {

// The reference kernels, family by family as in ops/: one file each, joined in table.cpp.
std::span<const KernelEntry> elementwise_kernels();
std::span<const KernelEntry> matrix_kernels();
std::span<const KernelEntry> normalization_kernels();
std::span<const KernelEntry> attention_kernels();
std::span<const KernelEntry> embedding_kernels();
std::span<const KernelEntry> quantize_kernels();
std::span<const KernelEntry> layout_kernels();
std::span<const KernelEntry> gather_kernels();
std::span<const KernelEntry> reduce_kernels();

}  // namespace octet::cpu::reference
