#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace octet::quant {

/// What a quantizer looks at.
enum class PointKind : uint8_t {
  input,    ///< MODULE.input_quantizer: what a product or convolution reads
  weight,   ///< MODULE.weight_quantizer: its constant
  q,        ///< ATTENTION.q_bmm_quantizer, after the factor 1/sqrt(d)
  k,        ///< ATTENTION.k_bmm_quantizer
  v,        ///< ATTENTION.v_bmm_quantizer
  softmax,  ///< ATTENTION.softmax_quantizer: the probabilities; its scale is the constant 1/448
};

/// A place where a graph could have a quantizer.
struct Point {
  std::string name;  ///< canonical, as in checkpoint/checkpoint.h
  PointKind kind{};
  NodeId node{};       ///< the node that would read the quantized value
  size_t operand = 0;  ///< which of its inputs
  ValueId value{};     ///< what would be quantized: that input, before quantizers already there
  /// "nn.Linear" or "nn.Conv2d", as Model Optimizer names the module's class; empty for attention.
  std::string_view module_class;
};

/// Does its scale come from running the model on data?
[[nodiscard]] bool needs_data(PointKind kind);

/// Every place where the graph could have a quantizer, in the order of its nodes: input and weight
/// of each MatMul and Conv with a constant weight, and the four of each attention block. Looks
/// through quantizers and observers that are already there.
std::vector<Point> find_points(const Graph& graph);

/// Other names under which a quantizer is known: Model Optimizer has a quantizer of its own for the
/// attention's output, ATTENTION.bmm2_output_quantizer, which sees what ATTENTION.out_proj reads.
/// Empty when there is none.
std::string alias_of(std::string_view name);

/// "ATTENTION" of "ATTENTION.q_bmm_quantizer": the name without its last part.
std::string_view module_of(std::string_view quantizer);

}  // namespace octet::quant
