#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace octet::passes {

/// The node that writes `value` when it is this operator; nullptr otherwise.
const Node* made_by(const Graph& graph, ValueId value, std::string_view op,
                    std::string_view domain = "");

/// The only reader of `value` when it is this operator (and `value` is no graph output).
const Node* only_read_by(const Graph& graph, ValueId value, std::string_view op,
                         std::string_view domain = "");

/// A constant with one element, as float.
std::optional<float> scalar_constant(const Graph& graph, ValueId value);

/// An integer constant's elements.
std::optional<std::vector<int64_t>> integer_constant(const Graph& graph, ValueId value);

/// The other operand of a two-input node.
ValueId other_input(const Node& node, ValueId value);

/// A QuantizeLinear to E4M3 or DequantizeLinear from it with one scale for the whole tensor: the
/// scale; nullopt for any other node.
std::optional<float> tensor_scale(const Graph& graph, const Node& node);

/// The reader of `value` when it alone reads it and quantizes the whole tensor to E4M3.
const Node* only_quantized_by(const Graph& graph, ValueId value);

/// What stands behind a possible DequantizeLinear: the E4M3 value and its scale, or the value
/// itself and scale 1.
struct Dequantized {
  ValueId value{};
  float scale = 1.0F;
  bool quantized = false;
};
Dequantized through_dequantize(const Graph& graph, ValueId value);

/// Sets the attribute `steps` of a fused node whose steps the graph computed in FP16.
void keep_steps(const Graph& graph, ValueId step, Attributes& attributes);

/// The node's id by its (unique) name.
NodeId id_of(const Graph& graph, const Node& node);

}  // namespace octet::passes
