#pragma once

#include <string>

#include "cuda/generated.h"

namespace octet::cuda {

/// A kernel that computes every element of its output by itself (kernels/elements.cu), `i` being
/// the number of the element.
struct ElementText {
  Dims domain;                 ///< what is counted: the output's extents, or others
  std::string type;            ///< as which the output is written
  std::string value;           ///< the element, in `type`
  std::string target = "i";    ///< its offset in the output
  std::string guard = "true";  ///< whether it is written
};

KernelSource element_source(const NodeSite& site, const ElementText& text, size_t held = 0);

/// The launch that goes with it.
GenericLaunch element_launch(const Graph& graph, const Node& node, const Dims& domain);

/// A dtype of at most 16 bytes by its size alone: "uint16_t", "uint4".
std::string bits_name(size_t bytes);

}  // namespace octet::cuda
