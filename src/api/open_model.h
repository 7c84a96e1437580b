#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "api/model_folder.h"
#include "data/preprocess.h"
#include "data/tokenizer.h"
#include "eval/encoder.h"
#include "graph/graph.h"
#include "models/clip.h"

namespace octet::api {

struct OpenOptions {
  DType precision = DType::f16;  ///< arithmetic between quantizers, for checkpoints
  bool as_stored = false;        ///< quantized checkpoints of others: add no softmax quantizer
  std::optional<data::PreprocessOrder> preprocess;  ///< instead of the folder's own
  std::optional<data::TokenizerPipeline> tokenizer;
  int64_t max_batch = 32;  ///< of engines compiled here; plans have their own
  std::string backend = "auto";
};

/// Canonical graphs of a model folder (checkpoint or ONNX files), one a tower, with what belongs
/// to both.
struct ModelGraphs {
  std::map<models::Tower, Graph> towers;
  float logit_scale = 100.0F;
};

/// Throws `Error(bad_input)` for plans: their graphs are lowered already.
ModelGraphs open_graphs(const ModelFolder& model, const OpenOptions& options);
/// The graphs of a checkpoint, quantizers inserted.
ModelGraphs checkpoint_graphs(const models::ClipModel& model, const OpenOptions& options);

/// A model ready to run.
struct OpenModel {
  ModelFolder files;
  eval::Encoder encoder;
};

/// Opens plans, or compiles ONNX files or a checkpoint for the chosen backend. What was taken is
/// logged when the folder holds several kinds.
OpenModel open_model(const std::filesystem::path& path, const OpenOptions& options);

}  // namespace octet::api
