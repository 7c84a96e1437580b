#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "graph/graph.h"

namespace octet::quant {

struct ApplyOptions {
  /// Take the checkpoint as it is: add no softmax quantizer.
  bool as_stored = false;
};

/// Inserts the quantizers of a quantized checkpoint, ours or another tool's, into the canonical
/// graph of one of its towers:
/// - a scale of q from before the attention factor is multiplied by 1/sqrt(head size), as q is;
/// - an attention block whose q, k and v are quantized gets the constant softmax quantizer (1/448)
///   that FP8 attention needs, unless the checkpoint is ours or `as_stored`;
/// - weights that are still wide become codes of weight / scale.
/// Returns what was added, a sentence each; they are logged as well.
std::vector<std::string> apply_stored(Graph& graph, const checkpoint::StoredQuantization& stored,
                                      const ApplyOptions& options);

/// The constant scale of softmax quantizers, a stored FP16 value.
float softmax_scale();

}  // namespace octet::quant
