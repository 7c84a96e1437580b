#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/image.h"

namespace octet::data {

/// One item of a dataset: an image, with a class or captions where the set has them.
struct Sample {
  std::string key;                 ///< file name or tar key; names the sample in messages
  std::vector<std::byte> encoded;  ///< image file bytes, not decoded; empty when `raw` is filled
  std::optional<Image> raw;        ///< sets that store bare pixels (CIFAR)
  std::string problem;             ///< why the image could not be read; `decode` throws it
  int64_t label = -1;              ///< class index, -1 without classes
  std::vector<std::string> captions;

  /// Decodes; throws `Error(bad_input)` naming the key.
  [[nodiscard]] Image decode() const;
};

/// A folder, tar or file of samples in a fixed order. What it holds is listed when it is opened;
/// images are read one by one.
class Dataset {
 public:
  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
  virtual ~Dataset() = default;

  /// "webdataset", "image folder", "CIFAR-100 binary", "CIFAR-100 Python", "COCO captions", "text".
  [[nodiscard]] virtual std::string kind() const = 0;
  [[nodiscard]] virtual int64_t size() const = 0;
  /// Sample `index` of [0, size). Safe from several threads. Throws `Error(bad_input)` for a broken
  /// container; an image that is missing or broken shows only when it is decoded.
  [[nodiscard]] virtual Sample at(int64_t index) const = 0;

  /// Class names and prompt templates ("a photo of a {c}.") where the set carries them.
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& templates() const = 0;

  /// The next sample, nullopt at the end. One thread at a time.
  std::optional<Sample> next();
  /// `next` begins with the first sample again.
  void rewind() { position_ = 0; }

 private:
  int64_t position_ = 0;
};

/// Opens what `path` holds: CLIP_benchmark's webdataset folder (classnames.txt,
/// zeroshot_classification_templates.txt, test/nshards.txt, test/N.tar), a single webdataset tar,
/// an image folder with a subfolder per class, a flat image folder, CIFAR-100's binary or Python
/// files, COCO captions (an annotations JSON beside an image folder or tar), or a text file (or
/// JSON list) with a caption a line. Throws `Error(bad_input)` saying what was looked for, and for
/// a set without samples.
std::unique_ptr<Dataset> open_dataset(const std::filesystem::path& path);

/// Class names or templates: the lines of a text file, stripped; or the strings of a JSON list, or
/// of the member `entry` of a JSON object of lists (CLIP_benchmark's form), which may be left empty
/// when there is only one. An empty name is an `Error(bad_input)`: it would shift the class
/// indices.
std::vector<std::string> read_names(const std::filesystem::path& path, std::string_view entry = {});

/// `count` different indices of [0, size), ascending, chosen by `seed` alone: the same on every
/// machine and in every version. All of them when `count` >= `size`.
std::vector<int64_t> sample_indices(int64_t size, int64_t count, uint64_t seed);

}  // namespace octet::data
