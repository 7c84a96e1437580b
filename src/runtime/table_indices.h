#pragma once

#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "runtime/backend.h"

namespace octet::runtime {

/// A graph input whose elements choose rows of a table: the ids of octet.Embedding, the indices of
/// Gather.
struct TableIndices {
  size_t input = 0;   ///< index into the graph's inputs
  int64_t least = 0;  ///< below 0 where indices may count from the table's end
  int64_t rows = 0;   ///< of the table
};

/// Those of a graph whose types are known, also where views or casts stand in between.
std::vector<TableIndices> table_indices(const Graph& graph);

/// Throws `Error(usage)` naming input `name` and the first of its elements that chooses no row, so
/// that every backend says the same; a device could only compute on. All elements count, also those
/// behind a sample's end. `given`: I64 or I32 [samples, positions], in host memory.
void check_table_indices(const TableIndices& indices, std::string_view name, const Operand& given);

}  // namespace octet::runtime
