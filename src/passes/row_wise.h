#pragma once

#include "graph/graph.h"

namespace octet::passes {

/// Whether a node treats every row [..., width] of its computed inputs by itself, so that dropping,
/// moving or packing rows before it or behind it is the same.
bool is_row_wise(const Graph& graph, const Node& node);

}  // namespace octet::passes
