#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace octet::onnx {

struct ImportOptions {
  /// Whether every value's type is computed and checked at the end. Without it types are those
  /// that the file declares, which may be missing (f32 []) or wrong.
  bool infer = true;
};

struct ImportResult {
  Graph graph;
  std::map<std::string, std::string> metadata;  ///< metadata_props of the model
  int64_t ir_version = 0;
  int64_t opset = 0;  ///< version of ONNX's own operators, 17 to 23
  std::string producer_name;
  std::string producer_version;
  std::vector<std::string> notices;  ///< what was repaired or ignored, a sentence each
};

/// Reads an ONNX file into a Graph. Weights stay views of the mapped file (and of the data files
/// beside it), which must not change while any tensor lives; they are copied only where they are
/// not aligned to their element. Constant nodes become constants, nodes are sorted, missing names
/// are filled in, Q/DQ nodes of domain "trt" become ONNX's own.
/// Throws `Error(bad_input)` naming file, node and reason: a damaged or oversized file, control
/// flow, functions, sparse or segmented tensors, unknown domains, other opsets, cycles, names
/// written twice, weights outside of the model's folder, scales that are not above zero, types that
/// do not fit.
ImportResult import_file(const std::filesystem::path& path, const ImportOptions& options = {});

/// The same from memory that `owner` keeps alive; data files are looked for in `folder`.
ImportResult import_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                          const std::filesystem::path& folder, const ImportOptions& options = {});

}  // namespace octet::onnx
