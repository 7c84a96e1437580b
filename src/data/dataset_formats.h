#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "data/dataset.h"

namespace octet::data {

/// The names a dataset carries.
struct DatasetNames {
  std::vector<std::string> classes;
  std::vector<std::string> templates;
};

/// classnames.txt and zeroshot_classification_templates.txt of a folder, where they are.
DatasetNames read_dataset_names(const std::filesystem::path& folder);

/// The part that all formats share.
class NamedDataset : public Dataset {
 public:
  NamedDataset(std::string kind, DatasetNames names)
      : kind_(std::move(kind)), names_(std::move(names)) {}

  [[nodiscard]] std::string kind() const final { return kind_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const final { return names_.classes; }
  [[nodiscard]] const std::vector<std::string>& templates() const final { return names_.templates; }

 private:
  std::string kind_;
  DatasetNames names_;
};

/// Puts the bytes of a file into `sample.encoded`; when it cannot be read, the reason into
/// `sample.problem`.
void read_image_file(const std::filesystem::path& path, Sample& sample);

/// Each format's reader: nullptr when `folder` is not of that format, `Error(bad_input)` when it is
/// but broken.
std::unique_ptr<Dataset> open_webdataset_folder(const std::filesystem::path& folder);
std::unique_ptr<Dataset> open_coco_folder(const std::filesystem::path& folder);
std::unique_ptr<Dataset> open_cifar_binary(const std::filesystem::path& folder);
std::unique_ptr<Dataset> open_cifar_python(const std::filesystem::path& folder);
std::unique_ptr<Dataset> open_image_folder(const std::filesystem::path& folder);

/// Each format's reader of a single file.
std::unique_ptr<Dataset> open_webdataset_tar(const std::filesystem::path& file);
std::unique_ptr<Dataset> open_coco_json(const std::filesystem::path& file, const Json& annotations);
std::unique_ptr<Dataset> open_text(const std::filesystem::path& file,
                                   std::vector<std::string> lines);

}  // namespace octet::data
