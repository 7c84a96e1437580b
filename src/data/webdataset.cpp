#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "data/dataset_formats.h"
#include "data/tar_file.h"
#include "data/text_lines.h"

namespace octet::data {
namespace fs = std::filesystem;

namespace {

/// In this order: of several images in one sample, the first kind counts.
constexpr std::array<std::string_view, 4> kImageEndings = {"webp", "png", "jpg", "jpeg"};

/// What every sample must have beside its image.
enum class Content { anything, classes, captions };

struct Record {
  size_t shard = 0;
  std::string key;
  std::optional<TarMember> image;
  size_t image_rank = kImageEndings.size();
  std::optional<TarMember> label;
  std::optional<TarMember> captions;
};

/// Splits "dir/name.a.b" into "dir/name" and "a.b": at the first dot of the base name.
std::pair<std::string_view, std::string_view> split_member(std::string_view name) {
  const size_t slash = name.rfind('/');
  const size_t dot = name.find('.', slash == std::string_view::npos ? 0 : slash + 1);
  if (dot == std::string_view::npos) return {name, {}};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

/// False for members that are none of ours (.npy, .json, ...).
bool add_member(Record& record, std::string_view ending, const TarMember& member) {
  if (ending == "cls") {
    record.label = member;
  } else if (ending == "txt") {
    record.captions = member;
  } else {
    const auto rank =
        static_cast<size_t>(std::ranges::find(kImageEndings, ending) - kImageEndings.begin());
    if (rank >= record.image_rank) return rank < kImageEndings.size();
    record.image = member;
    record.image_rank = rank;
  }
  return true;
}

void check_record(const Record& record, Content content, const fs::path& shard) {
  const char* missing = nullptr;
  if (!record.image) missing = "image (.webp, .png, .jpg or .jpeg)";
  if (content == Content::classes && !record.label) missing = "class number (.cls)";
  if (content == Content::captions && !record.captions) missing = "captions (.txt)";
  if (missing == nullptr) return;
  fail_input("'{}': sample '{}' has no {}", shard.string(), record.key, missing);
}

/// Members of one sample stand side by side.
std::vector<Record> list_records(const fs::path& shard, size_t shard_index) {
  std::vector<Record> records;
  int64_t ignored = 0;
  for (const TarMember& member : list_tar(shard)) {
    const auto [stem, ending] = split_member(member.name);
    Record record;
    const bool same = !records.empty() && records.back().key == stem;
    if (!add_member(same ? records.back() : record, ending, member)) {
      ++ignored;
    } else if (!same) {
      record.shard = shard_index;
      record.key = stem;
      records.push_back(std::move(record));
    }
  }
  if (ignored > 0) {
    log_debug("'{}': {} members are neither images nor .cls nor .txt; ignored", shard.string(),
              ignored);
  }
  return records;
}

class WebDataset final : public NamedDataset {
 public:
  WebDataset(DatasetNames names, Content content, std::vector<fs::path> shards)
      : NamedDataset("webdataset", std::move(names)), shards_(std::move(shards)) {
    for (size_t i = 0; i < shards_.size(); ++i) {
      std::vector<Record> records = list_records(shards_[i], i);
      for (const Record& record : records) check_record(record, content, shards_[i]);
      std::ranges::move(records, std::back_inserter(records_));
    }
  }

  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(records_.size()); }

  [[nodiscard]] Sample at(int64_t index) const override {
    const Record& record = records_.at(static_cast<size_t>(index));
    Sample sample;
    sample.key =
        fmt::format("{}:{}", shards_[record.shard].filename().string(), record.image->name);
    sample.encoded = read(record, *record.image);
    if (record.label) sample.label = read_label(record);
    if (record.captions) sample.captions = split_lines(read_text_member(record, *record.captions));
    return sample;
  }

 private:
  [[nodiscard]] std::vector<std::byte> read(const Record& record, const TarMember& member) const {
    return read_file_part(shards_[record.shard], member.offset, member.size);
  }

  [[nodiscard]] std::string read_text_member(const Record& record, const TarMember& member) const {
    const auto bytes = read(record, member);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  [[nodiscard]] int64_t read_label(const Record& record) const {
    const std::string stored = read_text_member(record, *record.label);
    const std::string_view text = strip(stored);
    int64_t label = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
    if (error != std::errc() || end != text.data() + text.size() || label < 0) {
      fail_input("'{}': '{}' holds '{}', not a class number", shards_[record.shard].string(),
                 record.label->name, text.substr(0, 40));
    }
    return label;
  }

  std::vector<fs::path> shards_;
  std::vector<Record> records_;
};

std::vector<fs::path> list_shards(const fs::path& split) {
  const fs::path count_file = split / "nshards.txt";
  const std::string stored = read_text(count_file);
  const std::string_view text = strip(stored);
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1) {
    fail_input("'{}' must hold the number of shards, not '{}'", count_file.string(),
               text.substr(0, 40));
  }
  std::vector<fs::path> shards;
  for (int64_t i = 0; i < count; ++i) {
    shards.push_back(split / fmt::format("{}.tar", i));
    if (!file_exists(shards.back())) {
      fail_input("shard '{}' is missing, though '{}' says there are {}", shards.back().string(),
                 count_file.string(), count);
    }
  }
  return shards;
}

/// dataset_type.txt says "retrieval" or "multilabel"; anything else, or no such file, means
/// classes.
Content read_content(const fs::path& folder) {
  const fs::path file = folder / "dataset_type.txt";
  if (!file_exists(file)) return Content::classes;
  const std::string type(strip(read_text(file)));
  if (type == "retrieval") return Content::captions;
  return type == "multilabel" ? Content::anything : Content::classes;
}

}  // namespace

std::unique_ptr<Dataset> open_webdataset_folder(const fs::path& folder) {
  const fs::path split = folder / "test";
  if (!file_exists(split / "nshards.txt")) {
    if (file_exists(split / "0.tar")) {
      fail_input("'{}' is missing; it must hold the number of shards",
                 (split / "nshards.txt").string());
    }
    return nullptr;
  }
  return std::make_unique<WebDataset>(read_dataset_names(folder), read_content(folder),
                                      list_shards(split));
}

std::unique_ptr<Dataset> open_webdataset_tar(const fs::path& file) {
  return std::make_unique<WebDataset>(DatasetNames{}, Content::anything, std::vector{file});
}

}  // namespace octet::data
