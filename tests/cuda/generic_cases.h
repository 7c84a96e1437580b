#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace octet::cuda {

/// A graph of one node for a generic kernel, types inferred, with the symbols "batch" and "rows".
struct GenericCase {
  std::string words;
  Graph graph;
};

/// Every operator that has a generic kernel, in the dtypes and forms that change its text.
std::vector<GenericCase> generic_cases();

}  // namespace octet::cuda
