#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/files.h"
#include "base/progress.h"
#include "data/dataset_formats.h"

namespace octet::data {
namespace fs = std::filesystem;

namespace {

/// What counts as an image, so that one of a format that cannot be decoded is reported and not
/// passed over.
bool has_image_ending(const fs::path& path) {
  constexpr std::array<std::string_view, 9> kEndings = {".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                                        ".pgm", ".tif",  ".tiff", ".webp"};
  std::string ending = path.extension().string();
  for (char& letter : ending) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return std::ranges::find(kEndings, ending) != kEndings.end();
}

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

struct Entry {
  fs::path path;  ///< below the folder
  int64_t label = -1;
};

class ImageFolder final : public NamedDataset {
 public:
  ImageFolder(DatasetNames names, fs::path root, std::vector<Entry> entries)
      : NamedDataset("image folder", std::move(names)),
        root_(std::move(root)),
        entries_(std::move(entries)) {}

  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(entries_.size()); }

  [[nodiscard]] Sample at(int64_t index) const override {
    const Entry& entry = entries_.at(static_cast<size_t>(index));
    Sample sample;
    sample.key = entry.path.string();
    sample.label = entry.label;
    read_image_file(root_ / entry.path, sample);
    return sample;
  }

 private:
  fs::path root_;
  std::vector<Entry> entries_;
};

/// Walks `folder` with all below it and shows `visit` each image, until that returns false.
template <typename Visit>
void visit_images(const fs::path& folder, Visit visit) {
  constexpr int kMaxDepth = 16;  // links to folders are followed, and may lead in circles
  const auto options = fs::directory_options::follow_directory_symlink;
  for (auto entry = fs::recursive_directory_iterator(folder, options);
       entry != fs::recursive_directory_iterator(); ++entry) {
    throw_if_interrupted();
    if (entry.depth() >= kMaxDepth) entry.disable_recursion_pending();
    if (!has_image_ending(entry->path()) || entry->is_directory()) continue;
    if (!visit(entry->path())) return;
  }
}

bool has_images(const fs::path& folder) {
  bool found = false;
  visit_images(folder, [&](const fs::path& /*image*/) {
    found = true;
    return false;
  });
  return found;
}

/// Every image below `folder`: folder by folder, each sorted by name, in byte order.
std::vector<fs::path> images_below(const fs::path& folder) {
  std::vector<std::pair<std::string, std::string>> found;
  visit_images(folder, [&](const fs::path& image) {
    found.emplace_back(image.parent_path().string(), image.filename().string());
    return true;
  });
  std::ranges::sort(found);
  std::vector<fs::path> paths;
  paths.reserve(found.size());
  for (const auto& [parent, name] : found) paths.push_back(fs::path(parent) / name);
  return paths;
}

struct Listing {
  std::vector<std::string> folders;  ///< names, in byte order
  std::vector<std::string> images;
};

Listing list_folder(const fs::path& folder) {
  Listing listing;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_hidden(entry.path())) continue;
    const std::string name = entry.path().filename().string();
    if (entry.is_directory()) {
      listing.folders.push_back(name);
    } else if (has_image_ending(entry.path())) {
      listing.images.push_back(name);
    }
  }
  std::ranges::sort(listing.folders);
  std::ranges::sort(listing.images);
  return listing;
}

std::unique_ptr<Dataset> make_flat(const fs::path& folder, const Listing& listing) {
  std::vector<Entry> entries;
  for (const std::string& name : listing.images) entries.push_back({name, -1});
  return std::make_unique<ImageFolder>(DatasetNames{}, folder, std::move(entries));
}

/// The names file, where there is one, gives readable names to the folders in their order.
void name_classes(DatasetNames& names, const Listing& listing, const fs::path& folder) {
  if (names.classes.empty()) {
    names.classes = listing.folders;
  } else if (names.classes.size() != listing.folders.size()) {
    fail_input("'{}' has {} class folders, but its classnames.txt has {} names", folder.string(),
               listing.folders.size(), names.classes.size());
  }
}

std::unique_ptr<Dataset> make_classes(const fs::path& folder, const Listing& listing) {
  std::vector<Entry> entries;
  for (size_t i = 0; i < listing.folders.size(); ++i) {
    const size_t before = entries.size();
    for (const fs::path& path : images_below(folder / listing.folders[i])) {
      entries.push_back({path.lexically_relative(folder), static_cast<int64_t>(i)});
    }
    if (entries.size() == before) {
      fail_input("class folder '{}' of '{}' holds no image; remove it, or give it some",
                 listing.folders[i], folder.string());
    }
  }
  DatasetNames names = read_dataset_names(folder);
  name_classes(names, listing, folder);
  return std::make_unique<ImageFolder>(std::move(names), folder, std::move(entries));
}

}  // namespace

std::unique_ptr<Dataset> open_image_folder(const fs::path& folder) {
  const Listing listing = list_folder(folder);
  const bool has_classes = std::ranges::any_of(
      listing.folders, [&](const std::string& name) { return has_images(folder / name); });
  if (has_classes && !listing.images.empty()) {
    fail_input("'{}' holds images and also folders of images; name the one that is meant",
               folder.string());
  }
  if (has_classes) return make_classes(folder, listing);
  return listing.images.empty() ? nullptr : make_flat(folder, listing);
}

}  // namespace octet::data
