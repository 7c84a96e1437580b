#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace octet::passes {

/// Whether a part of a canonical graph runs in FP8, and why (not).
struct PartPrecision {
  std::string name;
  bool fp8 = false;
  std::string reason;
};

/// Every MatMul outside of attention: in FP8 when both operands come out of a DequantizeLinear from
/// E4M3.
std::vector<PartPrecision> product_precisions(const Graph& graph);

/// Every attention block: in FP8 when q, k, v and the probabilities do. (NVIDIA's builder fuses FP8
/// attention exactly then, too.)
std::vector<PartPrecision> attention_precisions(const Graph& graph);

}  // namespace octet::passes
