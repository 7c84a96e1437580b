#pragma once

#include <functional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "graph/graph.h"
#include "quant/points.h"

namespace octet::quant {

/// Puts an octet.Observe in front of the reader of every given point; its attribute `quantizer`
/// holds the point's name. Points that look at one value share one, named after the first of them.
/// Returns which points share: the observer's name and the names of all its points.
std::vector<std::vector<std::string>> insert_observers(Graph& graph,
                                                       const std::vector<Point>& points);

/// Puts QuantizeLinear and DequantizeLinear in front of the reader of every enabled quantizer that
/// the graph has a place for; the others are not looked at. Points that look at one value with the
/// same scale share one pair. Weights become E4M3 codes behind a DequantizeLinear; those that are
/// codes already stay. Inputs that are dynamic per token get octet.FakeQuantizeRows.
///
/// Scales become constants in the graph's own precision, rounded to nearest (those that this
/// program solved are FP16 values). Nodes are called QUANTIZER/quantize and QUANTIZER/dequantize,
/// the codes QUANTIZER; a weight's DequantizeLinear is called QUANTIZER.
void insert_quantizers(Graph& graph, const checkpoint::StoredQuantizers& quantizers);

}  // namespace octet::quant
