#pragma once

#include <filesystem>
#include <map>
#include <string_view>
#include <vector>

#include "models/clip.h"

namespace octet::api {

enum class ModelKind : uint8_t { checkpoint, onnx, plan };

/// "checkpoint", "ONNX files", "plans".
std::string_view name_of(ModelKind kind);

/// What a folder holds and where: plans are taken before ONNX files, those before a checkpoint.
/// Subfolders plan/, onnx/ and checkpoint/ are looked into as well.
struct ModelFolder {
  ModelKind kind{};
  std::filesystem::path folder;       ///< where the files lie; tokenizer and preprocessing too
  std::vector<ModelKind> also_there;  ///< kinds that were passed over
};

/// Throws `Error(bad_input)` saying what was looked for.
ModelFolder find_model(const std::filesystem::path& path);

/// The same without plans: where the model's canonical graphs come from.
ModelFolder find_graphs(const std::filesystem::path& path);

/// The folder, or its subfolder checkpoint/, that holds a checkpoint. Throws `Error(bad_input)`.
std::filesystem::path checkpoint_folder(const std::filesystem::path& path);

/// "text.onnx", "image.plan", ...
std::filesystem::path tower_file(const std::filesystem::path& folder, models::Tower tower,
                                 ModelKind kind);

/// Towers of which `folder` has the file.
std::vector<models::Tower> towers_in(const std::filesystem::path& folder, ModelKind kind);

/// Copies tokenizer, preprocessing and model configuration, so that the folder works on its own.
void copy_companions(const std::filesystem::path& from, const std::filesystem::path& to);
/// The same for a folder that has a config.json of its own.
void copy_companions_but_config(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace octet::api
