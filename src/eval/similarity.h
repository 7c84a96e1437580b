#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "tensor/tensor.h"

namespace octet::eval {

/// Dot products of every row of `a` [n, d] with every row of `b` [m, d], F32, row by row: calls
/// `visit(row, scores)` for each row of `a`, from several threads at once, `scores` [m].
void for_each_similarity(
    const Tensor& a, const Tensor& b,
    const std::function<void(int64_t row, std::span<const float> scores)>& visit);

/// Position that `index` takes when scores are sorted in falling order: how many are larger, plus
/// how many equal ones stand before it.
int64_t rank_of(std::span<const float> scores, int64_t index);

}  // namespace octet::eval
