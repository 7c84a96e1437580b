#include "data/dataset.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/files.h"
#include "data/dataset_formats.h"
#include "data/tar_file.h"
#include "data/text_lines.h"

namespace octet::data {
namespace fs = std::filesystem;

namespace {

std::unique_ptr<Dataset> open_folder(const fs::path& folder) {
  // Images last: any of the others may have a folder of images beside it.
  constexpr std::array kReaders = {open_webdataset_folder, open_coco_folder, open_cifar_binary,
                                   open_cifar_python, open_image_folder};
  for (const auto reader : kReaders) {
    if (auto dataset = reader(folder)) return dataset;
  }
  fail_input(
      "'{}' holds no dataset; looked for test/nshards.txt (webdataset), captions.json or "
      "annotations/captions*.json (COCO), test.bin with fine_label_names.txt or test with meta "
      "(CIFAR-100), a subfolder of images per class, and images",
      folder.string());
}

bool is_string_list(const Json& json) {
  return json.is_array() &&
         std::ranges::all_of(json, [](const Json& entry) { return entry.is_string(); });
}

std::unique_ptr<Dataset> open_json(const fs::path& file) {
  const Json json = read_json(file);
  if (json.is_object() && json.contains("images") && json.contains("annotations")) {
    return open_coco_json(file, json);
  }
  if (is_string_list(json)) return open_text(file, json.get<std::vector<std::string>>());
  fail_input(
      "'{}' is neither COCO captions (an object with 'images' and 'annotations') nor a list of "
      "strings",
      file.string());
}

std::unique_ptr<Dataset> open_file(const fs::path& file) {
  if (file.extension() == ".json") return open_json(file);
  if (file.extension() == ".tar" || looks_like_tar(file)) return open_webdataset_tar(file);
  const std::string text = read_text(file);
  if (text.find('\0') != std::string::npos) {
    fail_input("'{}' is neither a tar, nor JSON, nor text with a caption a line", file.string());
  }
  return open_text(file, split_lines(text));
}

std::unique_ptr<Dataset> open_path(const fs::path& path) {
  if (!file_exists(path)) fail_input("there is no dataset '{}'", path.string());
  return fs::is_directory(path) ? open_folder(path) : open_file(path);
}

}  // namespace

Image Sample::decode() const {
  if (raw) return *raw;
  if (!problem.empty()) fail_input("{}: {}", key, problem);
  return decode_image(encoded, key);
}

std::optional<Sample> Dataset::next() {
  if (position_ >= size()) return std::nullopt;
  return at(position_++);
}

std::unique_ptr<Dataset> open_dataset(const fs::path& path) {
  try {
    auto dataset = open_path(path);
    if (dataset->size() == 0) fail_input("'{}' is an empty {}", path.string(), dataset->kind());
    return dataset;
  } catch (const fs::filesystem_error& error) {
    fail_input("cannot read the dataset '{}': {}", path.string(), error.code().message());
  }
}

void read_image_file(const fs::path& path, Sample& sample) {
  try {
    const auto file = MappedFile::open(path);
    sample.encoded.assign(file->bytes().begin(), file->bytes().end());
  } catch (const Error& error) {
    sample.problem = error.what();
  }
}

}  // namespace octet::data
