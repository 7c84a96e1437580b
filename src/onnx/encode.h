#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "graph/graph.h"

namespace octet::onnx {

// Messages of the ONNX schema, encoded. Fields stand in the order of their numbers, so equal
// graphs give equal files.

std::string encode_node(const Graph& graph, const Node& node);

/// Name, dtype and extents of a value.
std::string encode_value_info(const Value& value);

/// Where a tensor's bytes lie in the data file beside the model.
struct ExternalPlace {
  std::string location;  ///< file name
  uint64_t offset = 0;
};

/// A TensorProto up to its bytes. With a `place` it is complete; without one the last thing in it
/// is the header of raw_data, and the tensor's bytes must follow.
std::string encode_tensor_header(const std::string& name, const Tensor& tensor,
                                 const std::optional<ExternalPlace>& place);

std::string encode_opset_import(int64_t version);
std::string encode_entry(const std::string& key, const std::string& value);

/// Tag and length of a field whose `length` bytes are written next.
std::string encode_field_header(uint32_t field, uint64_t length);

}  // namespace octet::onnx
