#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "api/open_model.h"
#include "base/progress.h"
#include "quant/calibration_data.h"
#include "runtime/plan.h"

namespace octet::api {

/// Writes text.onnx and image.onnx of a checkpoint into `target`, with tokenizer, preprocessing and
/// model configuration beside them. Returns the files written. Existing files are replaced
/// atomically.
std::vector<std::filesystem::path> export_model(const models::ClipModel& model,
                                                const std::filesystem::path& target,
                                                const OpenOptions& options,
                                                const Progress& progress);

/// The model with static activation scales where its checkpoint has dynamic ones (per token), from
/// calibration data; others come back as they are.
models::ClipModel with_static_scales(const models::ClipModel& model,
                                     const std::vector<std::filesystem::path>& data,
                                     const quant::CalibrationOptions& options,
                                     const Progress& progress);

struct BuildOptions {
  runtime::SymbolRanges symbols;  ///< sizes of the file's dynamic dimensions
  std::string backend = "auto";
  std::vector<std::string> disabled_passes;
};

/// Compiles one ONNX file for this machine.
runtime::Plan build_plan(const std::filesystem::path& onnx_file, const BuildOptions& options);

/// build_plan, saved as `target`, with the companions of the ONNX file's folder beside it.
runtime::Plan build_plan_file(const std::filesystem::path& onnx_file,
                              const std::filesystem::path& target, const BuildOptions& options);

/// How much of a graph runs in FP8; plans carry it, tools print it. `products` are the MatMuls
/// outside of attention.
struct Precision {
  int64_t products = 0;
  int64_t products_fp8 = 0;
  int64_t attentions = 0;
  int64_t attentions_fp8 = 0;
};
/// Of a canonical graph.
Precision precision_of(const Graph& graph);

}  // namespace octet::api
