#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/progress.h"
#include "graph/graph.h"

namespace octet::onnx {

struct ExportOptions {
  std::map<std::string, std::string> metadata;  ///< metadata_props of the model
  std::string producer_version;                 ///< of the producer "octet"
  /// When constants have more bytes than this in all, those larger than 1 KiB go to the file
  /// NAME_data beside the model. A model in one file cannot exceed 2 GiB.
  uint64_t external_threshold = uint64_t{1} << 30;
  Progress progress;  ///< told the bytes of weights written
};

/// Writes a canonical, type-inferred graph as an ONNX file: opset 20, IR version 9, the default
/// domain only; dtype and extents of every value are in it, so importing gives an equal graph.
/// Constants that nothing reads are left out. Weights go from their tensors to the file, without
/// a copy in memory. Files appear complete or not at all, the data file before the model.
/// Throws `Error(usage)` naming a node outside of ONNX's opset 20, `Error(failed)` when the disk
/// does not take it.
void export_graph(const Graph& graph, const std::filesystem::path& file,
                  const ExportOptions& options = {});

}  // namespace octet::onnx
