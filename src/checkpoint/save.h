#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"

namespace octet::checkpoint {

/// A small file that belongs to a checkpoint: a tokenizer's, a report.
struct CompanionFile {
  std::string name;
  std::string text;
};

struct SaveOptions {
  /// Bytes of tensors in one file; more of them become shards with an index.
  uint64_t shard_bytes = 5'000'000'000;
  /// Version of this program, for the checkpoint's own record of who wrote it.
  std::string producer_version = "0";
  /// Written beside the weights; they appear with them.
  std::vector<CompanionFile> companions;
};

/// Writes config.json and the weights. `source` makes each tensor once, one at a time, in the order
/// of the files, so a model need never be wholly in memory. All files appear at the end together:
/// after an error the folder is as it was. Weights of an earlier checkpoint in `folder` that would
/// be read instead of, or beside, the new ones are removed. Throws `Error(failed)`, and what
/// `source` throws.
void save_checkpoint(const std::filesystem::path& folder, const Json& config,
                     std::span<const TensorInfo> tensors, const TensorSource& source,
                     const SaveOptions& options = {});

/// Writes an FP8 checkpoint in the unified Hugging Face layout: F8 weights as they are in
/// `tensors`, scales as F32 tensors, quantization_config in config.json, hf_quant_config.json.
/// `config` is the model's, a quantization_config in it is replaced. Disabled quantizers are left
/// out; amax is not stored. `open_checkpoint` gives back the same tensors and scales, to the bit.
///
/// Every F8 weight needs its weight quantizer and the other way round; a q scale must be that of q
/// after the attention factor; either all inputs without a scale are dynamic per token or none is.
/// Otherwise, and for a quantizer that the layout has no place for, throws `Error(usage)`.
void save_quantized(const std::filesystem::path& folder, const Json& config,
                    const NamedTensors& tensors, const StoredQuantizers& quantizers,
                    const SaveOptions& options = {});

/// The tokenizer's and preprocessing's files of a model folder, those that are there.
std::vector<CompanionFile> read_companions(const std::filesystem::path& folder);

}  // namespace octet::checkpoint
