#pragma once

#include <string>

#include "graph/graph.h"

namespace octet {

/// The graph as text, a node a line:
///   y f16 [batch, 64] = octet.Linear(x, w, -, bias) {activation="none"}
/// Constants show as their names; small ones with their values.
std::string to_text(const Graph& graph);

}  // namespace octet
