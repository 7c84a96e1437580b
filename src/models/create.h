#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "checkpoint/safetensors.h"
#include "models/clip_config.h"

namespace octet::models {

/// Architectures that `create_checkpoint` knows, in rising size.
std::vector<std::string> architecture_names();

/// Throws `Error(usage)` listing the known names.
ClipConfig architecture(const std::string& name);

/// Name and shape of every tensor of a checkpoint in Hugging Face naming.
std::vector<checkpoint::TensorInfo> checkpoint_tensors(const ClipConfig& config, DType dtype);

struct CreateOptions {
  uint64_t seed = 0;
  DType dtype = DType::f16;
  /// CLIP's merges (bpe_simple_vocab_16e6.txt.gz or merges.txt): tokenizer files are written too.
  std::optional<std::filesystem::path> merges;
};

/// Writes a checkpoint with seeded random weights of realistic scale (normal, standard deviations
/// of CLIP's own initialisation), for work on latency and size that needs no trained weights. The
/// same seed gives the same bytes on every machine. Throws `Error(failed)`, `Error(usage)`.
void create_checkpoint(const ClipConfig& config, const std::filesystem::path& folder,
                       const CreateOptions& options, const Progress& progress);

}  // namespace octet::models
