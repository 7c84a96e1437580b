#pragma once

#include <string>
#include <string_view>

#include "graph/graph.h"
#include "onnx/tensor_reader.h"

namespace octet::onnx {

struct NamedAttribute {
  std::string name;
  Attribute value;
};

/// Decodes an AttributeProto. Throws `Error(bad_input)` naming the attribute for kinds a Graph
/// has no place for: subgraphs, lists of strings or tensors, references of function bodies.
NamedAttribute read_attribute(std::string_view bytes, TensorReader& tensors);

}  // namespace octet::onnx
