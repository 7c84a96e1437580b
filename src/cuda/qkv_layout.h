#pragma once

#include <cstdint>

#include "cuda/attention.h"
#include "cuda/driver.h"
#include "graph/graph.h"

// How the merged product of q, k and v hands its result to attention: the one place that both read.
namespace octet::cuda {

/// The problem of an octet.Attention node whose operands stand in rows, as the graph says.
AttentionProblem attention_problem(const Graph& graph, const Node& attention);

/// Does the attention read V transposed on this device? Then the product stores it so.
bool takes_values_transposed(const Device& device, const Graph& graph, const Node& attention);

/// The first column of an octet.Linear that is stored transposed, for the attention that alone
/// reads it; -1 for none.
int64_t first_transposed_column(const Device& device, const Graph& graph, const Node& linear);

/// Where the parts of `rows` rows lie in the value's memory, of one-byte elements: q and k as rows,
/// then V transposed. Both parts have room for the multiple of 16 rows that the kernels touch, so
/// that together they need up to 15 rows more than the value has.
struct QkvLayout {
  int64_t row_pitch = 0;
  int64_t values_offset = 0;  ///< bytes
  int64_t values_pitch = 0;
};
QkvLayout qkv_layout(int64_t rows, int64_t first_transposed);

}  // namespace octet::cuda
