#include "checkpoint/weights.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/log.h"
#include "checkpoint/file_names.h"
#include "checkpoint/safetensors.h"

namespace octet::checkpoint {
namespace fs = std::filesystem;

namespace {

struct Index {
  std::string where;
  std::map<std::string, std::string> shard_of;  ///< by tensor
  std::optional<uint64_t> total_size;
};

/// Shard names come from an untrusted file: they may name files of this folder only.
void check_shard_name(const std::string& name, const std::string& where) {
  const bool plain = !name.empty() && name != "." && name != ".." &&
                     name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain) {
    fail_input("{}: shard name '{}' is not a plain file name; shards lie beside the index", where,
               name);
  }
}

Index read_index(const fs::path& path) {
  Index index;
  index.where = path.string();
  const Json json = read_json(path);
  index.shard_of = json_at<std::map<std::string, std::string>>(json, "weight_map", index.where);
  for (const auto& [tensor, shard] : index.shard_of) check_shard_name(shard, index.where);
  const auto metadata = json.find("metadata");
  if (metadata != json.end() && metadata->is_object()) {
    const auto size = metadata->find("total_size");
    if (size != metadata->end() && size->is_number_unsigned()) index.total_size = *size;
  }
  return index;
}

/// Moves a shard's tensors to `all`; `source` remembers where each came from.
void take_shard(const Index& index, const fs::path& folder, const std::string& shard,
                NamedTensors& all, std::map<std::string, std::string>& source) {
  auto file = with_context(fmt::format("shard of '{}'", index.where),
                           [&] { return read_safetensors(folder / shard); });
  for (auto& [name, tensor] : file.tensors) {
    const auto [first, fresh] = source.emplace(name, shard);
    if (!fresh) {
      fail_input("{}: tensor '{}' is in two shards, '{}' and '{}'", index.where, name,
                 first->second, shard);
    }
    if (!index.shard_of.contains(name)) {
      log_warning("{}: tensor '{}' of shard '{}' is not in the index; it is read all the same",
                  index.where, name, shard);
    }
    all.emplace(name, std::move(tensor));
  }
}

void check_against_index(const Index& index, const NamedTensors& all,
                         const std::map<std::string, std::string>& source) {
  for (const auto& [tensor, shard] : index.shard_of) {
    const auto found = source.find(tensor);
    if (found == source.end() || found->second != shard) {
      fail_input("{}: tensor '{}' is not in shard '{}', where the index says it is", index.where,
                 tensor, shard);
    }
  }
  uint64_t size = 0;
  for (const auto& [name, tensor] : all) size += tensor.size_bytes();
  if (index.total_size && *index.total_size != size) {
    log_warning("{}: the index announces {} bytes, the shards hold {}", index.where,
                *index.total_size, size);
  }
}

NamedTensors read_shards(const fs::path& folder) {
  const Index index = read_index(folder / kWeightsIndexFile);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : index.shard_of) shards.insert(shard);
  NamedTensors all;
  std::map<std::string, std::string> source;
  for (const std::string& shard : shards) take_shard(index, folder, shard, all, source);
  check_against_index(index, all, source);
  return all;
}

/// The first file of the folder that holds pickled weights.
std::optional<std::string> find_pickle(const fs::path& folder) {
  static constexpr std::array<std::string_view, 4> kExtensions{".bin", ".pt", ".pth", ".ckpt"};
  std::set<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string extension = entry.path().extension().string();
    if (std::ranges::find(kExtensions, extension) != kExtensions.end()) {
      names.insert(entry.path().filename().string());
    }
  }
  return names.empty() ? std::nullopt : std::optional(*names.begin());
}

}  // namespace

bool holds_weights(const fs::path& folder) {
  return file_exists(folder / kWeightsFile) || file_exists(folder / kWeightsIndexFile);
}

NamedTensors read_weights(const fs::path& folder) {
  if (file_exists(folder / kWeightsFile)) {
    return std::move(read_safetensors(folder / kWeightsFile).tensors);
  }
  if (file_exists(folder / kWeightsIndexFile)) return read_shards(folder);
  if (const auto pickle = find_pickle(folder)) {
    fail_input(
        "'{}' holds its weights in '{}', a pickle, which could run code and is not read; load it "
        "in transformers and save it with save_pretrained(..., safe_serialization=True)",
        folder.string(), *pickle);
  }
  fail_input("'{}' holds neither {} nor {}", folder.string(), kWeightsFile, kWeightsIndexFile);
}

}  // namespace octet::checkpoint
