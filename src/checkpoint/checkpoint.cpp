#include "checkpoint/checkpoint.h"

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/file_names.h"
#include "checkpoint/layouts.h"
#include "checkpoint/weights.h"

namespace octet::checkpoint {
namespace fs = std::filesystem;

namespace {

constexpr const char* kOpenClipConfigFile = "open_clip_config.json";

Json read_config(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail_input("'{}' is not a folder; give the folder of a Hugging Face checkpoint",
               folder.string());
  }
  const fs::path path = folder / kConfigFile;
  if (!file_exists(path) && file_exists(folder / kOpenClipConfigFile)) {
    fail_input(
        "'{}' is an OpenCLIP folder ({}), which is not read; use the model's Hugging Face "
        "(transformers) checkpoint, or convert it to one",
        folder.string(), kOpenClipConfigFile);
  }
  if (!file_exists(path)) {
    fail_input("'{}' has no {}; give the folder of a Hugging Face checkpoint", folder.string(),
               kConfigFile);
  }
  Json config = read_json(path);
  if (!config.is_object()) fail_input("{}: not a JSON object", path.string());
  return config;
}

/// What the folder says of its quantization beside the tensors; null when it says nothing.
Json quantization_settings(const fs::path& folder, const Json& config) {
  const auto member = config.find("quantization_config");
  if (member != config.end() && !member->is_null()) return *member;
  const fs::path path = folder / kQuantConfigFile;
  if (!file_exists(path)) return {};
  return json_at<Json>(read_json(path), "quantization", path.string());
}

bool holds_f8(const NamedTensors& tensors) {
  return std::ranges::any_of(tensors, [](const auto& item) {
    return item.second.dtype() == DType::f8e4m3 || item.second.dtype() == DType::f8e5m2;
  });
}

/// By the method that the settings name, else by the tensors themselves.
std::optional<StoredQuantization> take_quantization(const fs::path& folder, const Json& settings,
                                                    NamedTensors& tensors) {
  const std::string where = folder.string();
  if (settings.is_object()) {
    const auto method = json_or<std::string>(settings, "quant_method", "modelopt", where);
    if (method == "compressed-tensors") return take_compressed_tensors(tensors, settings, where);
    if (method == "modelopt" || method == "octet" || method == "fp8") {
      return take_unified(tensors, settings, where);
    }
    fail_input(
        "{}: quantization method '{}' is not supported; supported are modelopt, fp8 and "
        "compressed-tensors",
        where, method);
  }
  if (holds_modelopt_amax(tensors)) return take_modelopt(tensors, folder);
  if (!holds_f8(tensors)) return std::nullopt;
  auto stored = take_unified(tensors, Json::object(), where);
  stored.notices.emplace_back(
      "config.json says nothing of a quantization; F8 weights are read "
      "with the scales beside them");
  return stored;
}

}  // namespace

Checkpoint open_checkpoint(const fs::path& folder) {
  Checkpoint checkpoint;
  checkpoint.folder = folder;
  checkpoint.config = read_config(folder);
  checkpoint.tensors = read_weights(folder);
  checkpoint.quantization = take_quantization(
      folder, quantization_settings(folder, checkpoint.config), checkpoint.tensors);
  return checkpoint;
}

bool holds_checkpoint(const fs::path& folder) {
  return file_exists(folder / kConfigFile) && holds_weights(folder);
}

}  // namespace octet::checkpoint
