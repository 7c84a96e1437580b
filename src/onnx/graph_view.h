#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace octet::onnx {

// The graph of an ONNX file taken apart into views of its bytes (see model_view.h). Nodes, tensors
// and types stay encoded until they are asked for.

struct GraphView {
  std::string_view name;
  std::vector<std::string_view> nodes;
  std::vector<std::string_view> initializers;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<std::string_view> value_infos;
};

struct NodeView {
  std::string_view name;
  std::string_view domain;  ///< "" also where the file says "ai.onnx"
  std::string_view op;
  std::vector<std::string_view> inputs;  ///< "" where an optional one is left out
  std::vector<std::string_view> outputs;
  std::vector<std::string_view> attributes;
};

/// What a file says about a value. An extent that the file leaves open is nullopt.
struct ValueInfoView {
  std::string_view name;
  std::optional<int64_t> element_type;
  std::optional<std::vector<std::optional<Dim>>> dims;
};

// Each throws `Error(bad_input)` for damaged or oversized messages.

/// Counts before it stores, so that a file of empty messages is refused cheaply. Sparse
/// initializers are refused.
GraphView view_graph(std::string_view bytes);
NodeView view_node(std::string_view bytes);
ValueInfoView view_value_info(std::string_view bytes);

/// The name of a ValueInfoProto, without looking at its type.
std::string_view value_info_name(std::string_view bytes);

}  // namespace octet::onnx
