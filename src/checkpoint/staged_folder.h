#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"

namespace octet::checkpoint {

/// Files of one checkpoint on their way to disk: they appear together with `commit()`, or not at
/// all, and without a commit not even the folder. A checkpoint that `folder` holds already stays
/// whole until then.
class StagedFolder {
 public:
  explicit StagedFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;
  ~StagedFolder();

  /// One file, or shards of at most `shard_bytes` (one tensor may be larger) and their index.
  void add_weights(std::span<const TensorInfo> tensors, const TensorSource& source,
                   uint64_t shard_bytes);
  void add_json(const std::string& name, const Json& document);
  void add_text(const std::string& name, std::string_view text);

  /// Renames in the order of adding, then removes files of an earlier checkpoint that would be read
  /// instead of, or beside, these.
  void commit();

 private:
  std::filesystem::path folder_;
  std::vector<AtomicFile> files_;
};

}  // namespace octet::checkpoint
