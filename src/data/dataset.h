#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/image.h"

namespace octet::data {

/// One item of a dataset: an image, with a class or captions where the set has them.
struct Sample {
  std::string key;                 ///< file name or tar key; names the sample in messages
  std::vector<std::byte> encoded;  ///< image file bytes, not decoded; empty when `raw` is filled
  std::optional<Image> raw;        ///< sets that store bare pixels (CIFAR)
  int64_t label = -1;              ///< class index, -1 without classes
  std::vector<std::string> captions;

  /// Decodes; throws `Error(bad_input)` naming the key.
  [[nodiscard]] Image decode() const;
};

/// A folder, tar or file of samples, recognised by its contents. Streams: `next` reads one sample
/// at a time, in a fixed order. One thread at a time.
class Dataset {
 public:
  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
  virtual ~Dataset() = default;

  /// "webdataset", "image folder", "CIFAR-100 binary", "CIFAR-100 Python", "COCO captions", "text".
  [[nodiscard]] virtual std::string kind() const = 0;
  /// Samples in all, or -1 when only reading through tells.
  [[nodiscard]] virtual int64_t size() const = 0;
  /// The next sample, nullopt at the end. Throws `Error(bad_input)` for a broken container; a
  /// broken image inside shows only when it is decoded.
  virtual std::optional<Sample> next() = 0;
  /// From the beginning again.
  virtual void rewind() = 0;

  /// Class names and prompt templates ("a photo of a {c}.") where the set carries them.
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& templates() const = 0;
};

/// Opens what `path` holds: CLIP_benchmark's webdataset folder (classnames.txt,
/// zeroshot_classification_templates.txt, test/nshards.txt, test/N.tar), a single webdataset tar,
/// an image folder with a subfolder per class, a flat image folder, CIFAR-100's binary or Python
/// files, COCO captions (an annotations JSON beside an image folder or tar), or a text file with a
/// caption a line. Throws `Error(bad_input)` saying what was looked for.
std::unique_ptr<Dataset> open_dataset(const std::filesystem::path& path);

/// Lines of a text file without their line ends, empty ones left out; or the strings of a JSON list
/// (also {name: [...]}, CLIP_benchmark's form, when it has exactly one entry).
std::vector<std::string> read_names(const std::filesystem::path& path);

}  // namespace octet::data
