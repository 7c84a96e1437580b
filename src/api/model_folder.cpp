#include "api/model_folder.h"

#include <array>
#include <span>

#include "base/error.h"
#include "base/files.h"

namespace octet::api {
namespace fs = std::filesystem;
namespace {

constexpr std::array kTowers{models::Tower::text, models::Tower::image};
/// In order of preference.
constexpr std::array kKinds{ModelKind::plan, ModelKind::onnx, ModelKind::checkpoint};

constexpr std::array kCompanions{"config.json",
                                 "tokenizer.json",
                                 "tokenizer_config.json",
                                 "vocab.json",
                                 "merges.txt",
                                 "special_tokens_map.json",
                                 "added_tokens.json",
                                 "preprocessor_config.json",
                                 "processor_config.json"};

std::string_view subfolder(ModelKind kind) {
  switch (kind) {
    case ModelKind::plan:
      return "plan";
    case ModelKind::onnx:
      return "onnx";
    default:
      return "checkpoint";
  }
}

bool holds(const fs::path& folder, ModelKind kind) {
  if (kind == ModelKind::checkpoint) return checkpoint::holds_checkpoint(folder);
  return !towers_in(folder, kind).empty();
}

/// The folder itself or the kind's subfolder; empty when neither holds the kind.
fs::path place_of(const fs::path& path, ModelKind kind) {
  if (holds(path, kind)) return path;
  const fs::path below = path / subfolder(kind);
  return fs::is_directory(below) && holds(below, kind) ? below : fs::path();
}

std::string wanted_files(std::span<const ModelKind> kinds) {
  std::vector<std::string> files;
  for (const ModelKind kind : kinds) {
    files.push_back(kind == ModelKind::checkpoint
                        ? "config.json with model.safetensors"
                        : fmt::format("text.{0}, image.{0}", subfolder(kind)));
  }
  return fmt::format("{}", fmt::join(files, "; "));
}

ModelFolder find(const fs::path& path, std::span<const ModelKind> kinds) {
  if (!fs::is_directory(path)) {
    fail_input("'{}' is not a folder; give the folder of a checkpoint, of ONNX files or of plans",
               path.string());
  }
  std::vector<ModelFolder> found;
  for (const ModelKind kind : kinds) {
    if (const fs::path place = place_of(path, kind); !place.empty()) {
      found.push_back({kind, place, {}});
    }
  }
  if (found.empty()) {
    fail_input("'{}' holds no model: none of {} was found", path.string(), wanted_files(kinds));
  }
  for (size_t i = 1; i < found.size(); ++i) found[0].also_there.push_back(found[i].kind);
  return found[0];
}

}  // namespace

std::string_view name_of(ModelKind kind) {
  switch (kind) {
    case ModelKind::plan:
      return "plans";
    case ModelKind::onnx:
      return "ONNX files";
    default:
      return "checkpoint";
  }
}

ModelFolder find_model(const fs::path& path) {
  return find(path, kKinds);
}

ModelFolder find_graphs(const fs::path& path) {
  return find(path, std::span(kKinds).subspan(1));
}

fs::path checkpoint_folder(const fs::path& path) {
  fs::path place = place_of(path, ModelKind::checkpoint);
  if (place.empty()) {
    fail_input("'{}' holds no checkpoint (config.json with safetensors)", path.string());
  }
  return place;
}

fs::path tower_file(const fs::path& folder, models::Tower tower, ModelKind kind) {
  return folder / fmt::format("{}.{}", models::name_of(tower), subfolder(kind));
}

std::vector<models::Tower> towers_in(const fs::path& folder, ModelKind kind) {
  std::vector<models::Tower> towers;
  for (const models::Tower tower : kTowers) {
    if (fs::is_regular_file(tower_file(folder, tower, kind))) towers.push_back(tower);
  }
  return towers;
}

void copy_companions(const fs::path& from, const fs::path& to) {
  for (const char* name : kCompanions) {
    if (fs::is_regular_file(from / name)) octet::copy_file(from / name, to / name);
  }
}

void copy_companions_but_config(const fs::path& from, const fs::path& to) {
  for (const std::string_view name : kCompanions) {
    if (name != "config.json" && fs::is_regular_file(from / name)) {
      octet::copy_file(from / name, to / name);
    }
  }
}

}  // namespace octet::api
