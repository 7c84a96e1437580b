#pragma once

#include <initializer_list>
#include <optional>
#include <string>

#include "graph/graph.h"

namespace octet {

using Refusal = std::optional<std::string>;

inline bool has_input(const Node& node, size_t index) {
  return index < node.inputs.size() && node.inputs[index] != kNoValue;
}

/// Refuses when a present input has none of the dtypes.
Refusal refuse_dtype(const Graph& graph, const Node& node, size_t input,
                     std::initializer_list<DType> taken);
/// Refuses when an output has none of the dtypes.
Refusal refuse_output_dtype(const Graph& graph, const Node& node,
                            std::initializer_list<DType> taken);
/// Refuses when a present input is computed: the kernel prepares it once, when it is loaded.
Refusal refuse_computed(const Graph& graph, const Node& node, size_t input);

/// The constant behind an input; null when the input is left out.
const Tensor* constant_input(const Graph& graph, const Node& node, size_t input);

}  // namespace octet
