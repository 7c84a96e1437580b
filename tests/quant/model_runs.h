#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "models/clip.h"
#include "runtime/backend.h"
#include "tensor/tensor.h"

namespace octet::quant::test {

/// A model folder of this repository, by its path from the root.
models::ClipModel open_model(const std::string& path);
/// Two layers, 64 wide, random weights: tests/golden/interop/random/mini-clip.
const models::ClipModel& mini_clip();
/// examples/tinyclip.
const models::ClipModel& tinyclip();

const runtime::Backend& cpu();
const runtime::Backend& reference();

/// The output of a tower for its input, F32, whatever precision the graph has.
Tensor run(const Graph& graph, const runtime::Backend& backend, const Tensor& input);

/// Cosine of each row.
struct RowCosines {
  double mean = 0;
  double minimum = 1;
};
RowCosines row_cosines(const Tensor& value, const Tensor& reference);

/// How many nodes are this operator.
int64_t count_nodes(const Graph& graph, std::string_view op, std::string_view domain = "");

}  // namespace octet::quant::test
