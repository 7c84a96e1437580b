#include <algorithm>
#include <functional>
#include <map>
#include <span>
#include <unordered_map>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "data/dataset_formats.h"
#include "data/tar_file.h"

namespace octet::data {
namespace fs = std::filesystem;

namespace {

struct CaptionedImage {
  std::string file_name;
  std::vector<std::string> captions;  ///< in the order of the annotations, every one
};

/// Images by ascending id.
std::vector<CaptionedImage> read_annotations(const Json& json, const std::string& where) {
  std::map<int64_t, CaptionedImage> images;
  for (const Json& image : json_at<Json>(json, "images", where)) {
    const auto id = json_at<int64_t>(image, "id", where);
    images[id].file_name = json_at<std::string>(image, "file_name", where);
  }
  int64_t strays = 0;
  for (const Json& annotation : json_at<Json>(json, "annotations", where)) {
    const auto image = images.find(json_at<int64_t>(annotation, "image_id", where));
    if (image == images.end()) {
      ++strays;
    } else {
      image->second.captions.push_back(json_at<std::string>(annotation, "caption", where));
    }
  }
  if (strays > 0) log_warning("{}: {} captions belong to no image; ignored", where, strays);
  std::vector<CaptionedImage> sorted;
  sorted.reserve(images.size());
  for (auto& [id, image] : images) sorted.push_back(std::move(image));
  return sorted;
}

/// Where the images lie.
class ImageStore {
 public:
  virtual ~ImageStore() = default;
  [[nodiscard]] virtual bool has(const std::string& name) const = 0;
  /// Into `sample.encoded`, or the reason why not into `sample.problem`.
  virtual void read(const std::string& name, Sample& sample) const = 0;
};

class FolderStore final : public ImageStore {
 public:
  explicit FolderStore(fs::path folder) : folder_(std::move(folder)) {}

  [[nodiscard]] bool has(const std::string& name) const override {
    return fs::is_regular_file(folder_ / name);
  }
  void read(const std::string& name, Sample& sample) const override {
    read_image_file(folder_ / name, sample);
  }

 private:
  fs::path folder_;
};

/// Members are found by their name, and by their base name where a folder stands before it.
class TarStore final : public ImageStore {
 public:
  explicit TarStore(fs::path tar) : tar_(std::move(tar)) {
    for (TarMember& member : list_tar(tar_)) {
      members_.emplace(fs::path(member.name).filename().string(), member);
      const std::string name = member.name;
      members_.insert_or_assign(name, std::move(member));
    }
  }

  [[nodiscard]] bool has(const std::string& name) const override { return members_.contains(name); }

  void read(const std::string& name, Sample& sample) const override {
    const auto member = members_.find(name);
    if (member == members_.end()) {
      sample.problem = fmt::format("it is not in '{}'", tar_.string());
    } else {
      sample.encoded = read_file_part(tar_, member->second.offset, member->second.size);
    }
  }

 private:
  fs::path tar_;
  std::unordered_map<std::string, TarMember> members_;
};

class CocoCaptions final : public NamedDataset {
 public:
  CocoCaptions(std::vector<CaptionedImage> images, std::unique_ptr<const ImageStore> store)
      : NamedDataset("COCO captions", {}), images_(std::move(images)), store_(std::move(store)) {}

  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(images_.size()); }

  [[nodiscard]] Sample at(int64_t index) const override {
    const CaptionedImage& image = images_.at(static_cast<size_t>(index));
    Sample sample;
    sample.key = image.file_name;
    sample.captions = image.captions;
    store_->read(image.file_name, sample);
    return sample;
  }

 private:
  std::vector<CaptionedImage> images_;
  std::unique_ptr<const ImageStore> store_;
};

/// What lies directly in `folder`, by name.
template <typename Condition>
std::vector<fs::path> entries(const fs::path& folder, Condition condition) {
  std::vector<fs::path> found;
  if (!fs::is_directory(folder)) return found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (condition(entry)) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

/// The folder of the annotations, and the one above when it is called "annotations".
std::vector<fs::path> base_folders(const fs::path& json) {
  const fs::path folder = fs::absolute(json).parent_path();
  if (folder.filename() == "annotations") return {folder, folder.parent_path()};
  return {folder};
}

bool has_any(const ImageStore& store, std::span<const CaptionedImage> images) {
  return std::ranges::any_of(
      images, [&](const CaptionedImage& image) { return store.has(image.file_name); });
}

/// The first folder or tar that has any of the images. Folders are asked first: it is cheap.
std::unique_ptr<const ImageStore> find_images(const fs::path& json,
                                              std::span<const CaptionedImage> images) {
  const auto bases = base_folders(json);
  for (const fs::path& base : bases) {
    auto folders = entries(base, [](const auto& entry) { return entry.is_directory(); });
    folders.insert(folders.begin(), base);
    for (const fs::path& folder : folders) {
      auto store = std::make_unique<FolderStore>(folder);
      if (has_any(*store, images)) return store;
    }
  }
  for (const fs::path& base : bases) {
    for (const fs::path& tar :
         entries(base, [](const auto& entry) { return entry.path().extension() == ".tar"; })) {
      auto store = std::make_unique<TarStore>(tar);
      if (has_any(*store, images)) return store;
    }
  }
  fail_input(
      "the images of '{}' ('{}', ...) are neither in its folder nor in a folder or .tar beside it",
      json.string(), images.front().file_name);
}

/// A name that leaves the image folder is not followed.
void check_file_names(std::span<const CaptionedImage> images, const std::string& where) {
  for (const CaptionedImage& image : images) {
    const fs::path name = image.file_name;
    if (name.empty() || name.is_absolute() || std::ranges::find(name, "..") != name.end()) {
      fail_input("{}: file_name '{}' is not a path below the image folder", where, image.file_name);
    }
  }
}

bool is_caption_file(const fs::path& path) {
  const std::string name = path.filename().string();
  return path.extension() == ".json" &&
         (name.find("caption") != std::string::npos || name.find("karpathy") != std::string::npos);
}

}  // namespace

std::unique_ptr<Dataset> open_coco_json(const fs::path& file, const Json& annotations) {
  const std::string where = file.string();
  auto images = read_annotations(annotations, where);
  if (images.empty()) fail_input("{}: lists no images", where);
  check_file_names(images, where);
  auto store = find_images(file, images);
  return std::make_unique<CocoCaptions>(std::move(images), std::move(store));
}

std::unique_ptr<Dataset> open_coco_folder(const fs::path& folder) {
  fs::path chosen = folder / "captions.json";
  if (!file_exists(chosen)) {
    const auto wanted = [](const auto& entry) { return is_caption_file(entry.path()); };
    auto candidates = entries(folder, wanted);
    std::ranges::move(entries(folder / "annotations", wanted), std::back_inserter(candidates));
    if (candidates.empty()) return nullptr;
    if (candidates.size() > 1) {
      fail_input("'{}' holds several caption files ('{}', '{}', ...); name the one that is meant",
                 folder.string(), candidates[0].string(), candidates[1].string());
    }
    chosen = candidates.front();
  }
  return open_coco_json(chosen, read_json(chosen));
}

}  // namespace octet::data
