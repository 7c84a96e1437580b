#include <array>

#include "base/error.h"
#include "base/files.h"
#include "base/pickle.h"
#include "data/dataset_formats.h"
#include "data/tar_file.h"

namespace octet::data {
namespace fs = std::filesystem;

namespace {

constexpr int kEdge = 32;
constexpr size_t kPlane = size_t{kEdge} * kEdge;
constexpr size_t kImageBytes = 3 * kPlane;

/// Red, green and blue planes to interleaved pixels.
Image from_planes(std::span<const std::byte> planes) {
  Image image;
  image.width = image.height = kEdge;
  image.pixels.resize(kImageBytes);
  for (size_t i = 0; i < kPlane; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      image.pixels[3 * i + c] = std::to_integer<uint8_t>(planes[c * kPlane + i]);
    }
  }
  return image;
}

void check_label(int64_t label, size_t classes, std::string_view where) {
  if (label < 0 || static_cast<size_t>(label) >= classes) {
    fail_input("{}: class {} has no name; there are {}", where, label, classes);
  }
}

/// test.bin: per image a coarse label, a fine label, three planes.
class CifarBinary final : public NamedDataset {
 public:
  CifarBinary(DatasetNames names, fs::path file)
      : NamedDataset("CIFAR-100 binary", std::move(names)), file_(std::move(file)) {
    const uint64_t bytes = fs::file_size(file_);
    if (bytes % kRowBytes != 0) {
      fail_input("'{}' has {} bytes, which is no multiple of CIFAR-100's {} per image",
                 file_.string(), bytes, kRowBytes);
    }
    size_ = static_cast<int64_t>(bytes / kRowBytes);
  }

  [[nodiscard]] int64_t size() const override { return size_; }

  [[nodiscard]] Sample at(int64_t index) const override {
    const auto row = read_file_part(file_, static_cast<uint64_t>(index) * kRowBytes, kRowBytes);
    Sample sample;
    sample.key = fmt::format("{}:{}", file_.filename().string(), index);
    sample.label = std::to_integer<int64_t>(row[1]);
    check_label(sample.label, class_names().size(), sample.key);
    sample.raw = from_planes(std::span(row).subspan(kRowBytes - kImageBytes));
    return sample;
  }

 private:
  static constexpr size_t kRowBytes = 2 + kImageBytes;

  fs::path file_;
  int64_t size_ = 0;
};

/// A member of a pickled dictionary that must be a list.
const PickleValue::List& list_member(const PickleValue& dict, std::string_view key,
                                     std::string_view where) {
  const PickleValue* member = dict.find(key);
  const auto* list =
      member == nullptr ? nullptr : std::get_if<std::shared_ptr<PickleValue::List>>(&member->value);
  if (list == nullptr) fail_input("{}: has no list '{}'", where, key);
  return **list;
}

/// The elements of a pickled tuple, empty for anything else.
std::span<const PickleValue> tuple_items(const PickleValue& value) {
  const auto* tuple = std::get_if<std::shared_ptr<PickleValue::Tuple>>(&value.value);
  return tuple == nullptr ? std::span<const PickleValue>{} : std::span((*tuple)->items);
}

bool is_integer(const PickleValue& value, int64_t expected) {
  const auto* number = std::get_if<int64_t>(&value.value);
  return number != nullptr && *number == expected;
}

bool is_uint8_dtype(const PickleValue& value) {
  const auto* call = std::get_if<std::shared_ptr<PickleValue::Call>>(&value.value);
  return call != nullptr && (*call)->function.name == "dtype" && !(*call)->arguments.empty() &&
         (*call)->arguments.front().text() == "u1";
}

/// The bytes of a NumPy array [rows, 3072] of uint8 in row order. Pickled, an array is a call of
/// `_reconstruct` with its state behind: (version, shape, dtype, is_fortran, bytes).
std::vector<std::byte> array_bytes(const PickleValue* array, size_t rows, std::string_view where) {
  const auto* call =
      array == nullptr ? nullptr : std::get_if<std::shared_ptr<PickleValue::Call>>(&array->value);
  if (call == nullptr || (*call)->arguments.empty()) fail_input("{}: has no array 'data'", where);
  const auto state = tuple_items((*call)->arguments.back());
  const auto shape = state.size() == 5 ? tuple_items(state[1]) : std::span<const PickleValue>{};
  const auto* bytes =
      state.size() == 5 ? std::get_if<std::vector<std::byte>>(&state[4].value) : nullptr;
  const bool fits = bytes != nullptr && shape.size() == 2 &&
                    is_integer(shape[0], static_cast<int64_t>(rows)) &&
                    is_integer(shape[1], int64_t{kImageBytes}) && is_uint8_dtype(state[2]) &&
                    std::get_if<bool>(&state[3].value) != nullptr &&
                    !std::get<bool>(state[3].value) && bytes->size() == rows * kImageBytes;
  if (!fits) fail_input("{}: 'data' is not an array of {} x {} bytes", where, rows, kImageBytes);
  return *bytes;
}

PickleValue read_cifar_pickle(const fs::path& path) {
  constexpr std::array<std::string_view, 4> kGlobals = {"numpy.core.multiarray _reconstruct",
                                                        "numpy._core.multiarray _reconstruct",
                                                        "numpy ndarray", "numpy dtype"};
  return read_pickle(MappedFile::open(path)->bytes(), kGlobals, path.string());
}

/// The dictionaries of the files "test" and "meta".
class CifarPython final : public NamedDataset {
 public:
  CifarPython(DatasetNames names, const fs::path& file)
      : NamedDataset("CIFAR-100 Python", std::move(names)), name_(file.filename().string()) {
    const PickleValue test = read_cifar_pickle(file);
    for (const PickleValue& label : list_member(test, "fine_labels", file.string())) {
      const auto* number = std::get_if<int64_t>(&label.value);
      labels_.push_back(number == nullptr ? -1 : *number);
      check_label(labels_.back(), class_names().size(), file.string());
    }
    data_ = array_bytes(test.find("data"), labels_.size(), file.string());
  }

  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(labels_.size()); }

  [[nodiscard]] Sample at(int64_t index) const override {
    const auto row = static_cast<size_t>(index);
    Sample sample;
    sample.key = fmt::format("{}:{}", name_, index);
    sample.label = labels_.at(row);
    sample.raw = from_planes(std::span(data_).subspan(row * kImageBytes, kImageBytes));
    return sample;
  }

 private:
  std::string name_;
  std::vector<int64_t> labels_;
  std::vector<std::byte> data_;
};

std::vector<std::string> read_pickled_names(const fs::path& file) {
  const PickleValue meta = read_cifar_pickle(file);
  std::vector<std::string> names;
  for (const PickleValue& name : list_member(meta, "fine_label_names", file.string())) {
    const auto text = name.text();
    if (!text) fail_input("'{}': a class name is no text", file.string());
    names.emplace_back(*text);
  }
  return names;
}

}  // namespace

std::unique_ptr<Dataset> open_cifar_binary(const fs::path& folder) {
  const fs::path names_file = folder / "fine_label_names.txt";
  if (!fs::is_regular_file(folder / "test.bin") || !file_exists(names_file)) return nullptr;
  DatasetNames names = read_dataset_names(folder);
  if (names.classes.empty()) names.classes = read_names(names_file);
  return std::make_unique<CifarBinary>(std::move(names), folder / "test.bin");
}

std::unique_ptr<Dataset> open_cifar_python(const fs::path& folder) {
  if (!fs::is_regular_file(folder / "test") || !fs::is_regular_file(folder / "meta")) {
    return nullptr;
  }
  DatasetNames names = read_dataset_names(folder);
  if (names.classes.empty()) names.classes = read_pickled_names(folder / "meta");
  return std::make_unique<CifarPython>(std::move(names), folder / "test");
}

}  // namespace octet::data
