#include "checkpoint/staged_folder.h"

#include <algorithm>

#include "checkpoint/file_names.h"

namespace octet::checkpoint {
namespace fs = std::filesystem;

namespace {

uint64_t size_in_bytes(const TensorInfo& info) {
  return static_cast<uint64_t>(element_count(info.shape)) * size_of(info.dtype);
}

/// Consecutive runs of tensors that stay within the limit.
std::vector<std::span<const TensorInfo>> split(std::span<const TensorInfo> tensors,
                                               uint64_t shard_bytes) {
  std::vector<std::span<const TensorInfo>> shards;
  size_t begin = 0;
  uint64_t filled = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const uint64_t size = size_in_bytes(tensors[i]);
    if (i > begin && filled + size > shard_bytes) {
      shards.push_back(tensors.subspan(begin, i - begin));
      begin = i;
      filled = 0;
    }
    filled += size;
  }
  shards.push_back(tensors.subspan(begin));
  return shards;
}

std::string shard_name(size_t index, size_t count) {
  if (count == 1) return kWeightsFile;
  return fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, count);
}

}  // namespace

StagedFolder::~StagedFolder() {
  // The first file made the folder, so it has to go last.
  while (!files_.empty()) files_.pop_back();
}

void StagedFolder::add_weights(std::span<const TensorInfo> tensors, const TensorSource& source,
                               uint64_t shard_bytes) {
  SafetensorsOptions options;
  options.metadata = {{"format", "pt"}};  // what other loaders of these folders ask for
  const auto shards = split(tensors, shard_bytes);
  Json weight_map = Json::object();
  uint64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(i, shards.size());
    files_.push_back(stage_safetensors(folder_ / name, shards[i], source, options));
    for (const TensorInfo& info : shards[i]) {
      weight_map[info.name] = name;
      total += size_in_bytes(info);
    }
  }
  if (shards.size() == 1) return;
  add_json(kWeightsIndexFile, {{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}});
}

void StagedFolder::add_json(const std::string& name, const Json& document) {
  add_text(name, document.dump(2) + "\n");
}

void StagedFolder::add_text(const std::string& name, std::string_view text) {
  files_.emplace_back(folder_ / name).write(text);
}

void StagedFolder::commit() {
  commit_together(files_);
  for (const char* name : {kWeightsFile, kWeightsIndexFile, kQuantConfigFile}) {
    const fs::path path = folder_ / name;
    std::error_code error;
    if (std::ranges::find(files_, path, &AtomicFile::path) == files_.end()) fs::remove(path, error);
  }
}

}  // namespace octet::checkpoint
