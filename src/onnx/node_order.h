#pragma once

#include <cstddef>
#include <vector>

#include "onnx/graph_view.h"

namespace octet::onnx {

/// Indices of `nodes` in an order in which they can be computed, as close to the given one as that
/// allows (a sorted list stays as it is). Inputs that no node writes are left to the caller.
/// Throws `Error(bad_input)` naming the nodes of a cycle, or a value that two nodes write.
std::vector<size_t> computable_order(const std::vector<NodeView>& nodes);

/// How messages call a node: its name, or else its first output's.
std::string_view label_of(const NodeView& node);

}  // namespace octet::onnx
