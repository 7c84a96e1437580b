#pragma once

#include <functional>
#include <string>

#include "base/json.h"
#include "graph/graph.h"

namespace octet {

/// Takes a constant out of line and returns the name under which it can be had again.
using StoreConstant = std::function<std::string(const Tensor&)>;
/// The inverse; the tensor must have the dtype and shape asked for.
using LoadConstant = std::function<Tensor(const std::string&, DType, const Shape&)>;

/// The whole graph as JSON; constants are handed to `store`. Tensor attributes are a logic_error.
/// Floats keep every bit. Value and node ids are renumbered densely, in order.
Json graph_to_json(const Graph& graph, const StoreConstant& store);

/// The inverse. Throws `Error(bad_input)`, naming `where`, for JSON that is no graph.
Graph graph_from_json(const Json& json, const LoadConstant& load, std::string_view where);

}  // namespace octet
