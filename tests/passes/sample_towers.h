#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/clip.h"

namespace octet::passes {

using models::Tower;

/// The model in examples/tinyclip.
const models::ClipModel& sample_model();

/// A tower of it in FP16, with quantizers of plausible scales at every point.
Graph quantized_tower(Tower tower);

int64_t count(const Graph& graph, std::string_view op, std::string_view domain = "");

/// Every pass that is not named in `disabled`.
void fuse(Graph& graph, const std::vector<std::string>& disabled);

/// A pass leaves every bit of a tower's features alone: in FP32 and quantized FP16, with the fast
/// and with the plain kernels. It must have changed the graphs.
void expect_no_effect(const std::string& pass, Tower tower);

}  // namespace octet::passes
