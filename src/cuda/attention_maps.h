#pragma once

#include "cuda/attention.h"

// Q, K and V of one head as Hopper's attention kernels have them in shared memory: rows of a head,
// padded to 64 or 128 bytes and swizzled over them.
namespace octet::cuda {

inline int rounded_up(int value, int step) {
  return (value + step - 1) / step * step;
}

bool is_e4m3(const AttentionProblem& problem);
int head_row_bytes(const AttentionProblem& problem);

/// Boxes of `rows` rows of one head: coordinates 0, head, token. A head is an extent of its own:
/// columns behind it read as zeros.
CUtensorMap head_map(const AttentionProblem& problem, const void* data, int64_t pitch, int rows,
                     int64_t tokens);

/// Boxes of `rows` rows of K, a multiple of 16, in the order of kernels/attention_sm90_e4m3.cuh:
/// coordinates column, 0, 0, 0, token / 16. Columns behind a head are the next one's; those of Q
/// are zeros.
CUtensorMap ordered_key_map(const AttentionProblem& problem, const void* k, int rows,
                            int64_t tokens);

/// Boxes of `keys` columns of one head of the transposed V: coordinates token, row.
CUtensorMap transposed_value_map(const AttentionProblem& problem, const void* v, int keys,
                                 int64_t tokens);

}  // namespace octet::cuda
