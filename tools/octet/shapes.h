#pragma once

#include <optional>
#include <string>

#include "graph/graph.h"
#include "runtime/plan.h"

namespace octet::cli {

/// trtexec's shape flags: "name:1x3x224x224,other:128x77". Empty strings were not given.
struct ShapeFlags {
  std::string shapes;
  std::string min;
  std::string opt;
  std::string max;
};

/// Sizes of a graph's dynamic dimensions. `shapes` fixes them; min, opt and max give ranges; a
/// dynamic input without any is an error naming it. Throws `Error(usage)`.
runtime::SymbolRanges symbol_ranges(const Graph& graph, const ShapeFlags& flags);

/// The shape given for `input` in "name:1x2,other:3"; nullopt when it is not named. A name may
/// stand in single quotes and hold one `*`.
std::optional<Shape> shape_for(const std::string& spec, const std::string& input);

}  // namespace octet::cli
