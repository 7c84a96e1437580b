#pragma once

#include "graph/graph.h"
#include "runtime/backend.h"

namespace octet::runtime {

/// Does the node decide extents, so that the session itself runs it, on the host, before the rest?
bool decides_extents(const Node& node);

/// octet.RowRanges: ids i64 [b, s] → ranges i32 [b, 2], where sample i owns the packed rows
/// [begin, end) up to its end-of-text token. Both operands in host memory. Returns the number of
/// rows of all samples together.
int64_t fill_row_ranges(const Node& node, const Operand& ids, const Operand& ranges);

}  // namespace octet::runtime
