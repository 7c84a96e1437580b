#pragma once

#include <span>

#include "ops/ops.h"

namespace octet {

// The operator table, family by family: one file each. A new family is one more line here and in
// table.cpp.
std::span<const OpSchema> elementwise_ops();
std::span<const OpSchema> matrix_ops();
std::span<const OpSchema> normalization_ops();
std::span<const OpSchema> attention_ops();
std::span<const OpSchema> embedding_ops();
std::span<const OpSchema> quantize_ops();
std::span<const OpSchema> layout_ops();
std::span<const OpSchema> gather_ops();
std::span<const OpSchema> reduce_ops();

}  // namespace octet
