#include <archive.h>
#include <archive_entry.h>

#include <array>
#include <memory>

#include "base/error.h"
#include "data/vocabulary.h"

namespace octet::data {
namespace {

/// 49,152 tokens less two for each byte and the two special ones.
constexpr size_t kClipMerges = 48894;
/// CLIP's file has 3 MB. More is no merges file, or a compressed bomb.
constexpr size_t kLargestText = 256u << 20;

using Archive = std::unique_ptr<archive, decltype(&archive_read_free)>;

[[noreturn]] void fail_archive(archive* file, const std::filesystem::path& path) {
  const char* const reason = archive_error_string(file);
  fail_input("cannot read '{}': {}", path.string(), reason == nullptr ? "damaged" : reason);
}

/// The whole text of a plain or gzipped file.
std::string read_maybe_gzipped(const std::filesystem::path& path) {
  const Archive file(archive_read_new(), archive_read_free);
  archive_read_support_filter_gzip(file.get());
  archive_read_support_format_raw(file.get());
  archive_read_support_format_empty(file.get());
  constexpr size_t kBlock = 64u << 10;
  archive_entry* entry = nullptr;
  if (archive_read_open_filename(file.get(), path.c_str(), kBlock) != ARCHIVE_OK) {
    fail_archive(file.get(), path);
  }
  const int header = archive_read_next_header(file.get(), &entry);
  if (header == ARCHIVE_EOF) return {};
  if (header != ARCHIVE_OK) fail_archive(file.get(), path);
  std::string text;
  std::array<char, kBlock> block;
  while (const la_ssize_t count = archive_read_data(file.get(), block.data(), block.size())) {
    if (count < 0) fail_archive(file.get(), path);
    text.append(block.data(), static_cast<size_t>(count));
    if (text.size() > kLargestText) fail_input("'{}' is too large for merges", path.string());
  }
  return text;
}

/// Takes the first line off `text`, its line end left out.
std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

std::vector<Merge> read_merges(const std::filesystem::path& path) {
  const std::string text = read_maybe_gzipped(path);
  std::string_view rest = text;
  std::vector<Merge> merges;
  for (size_t number = 1; !rest.empty() && merges.size() < kClipMerges; ++number) {
    const std::string_view line = take_line(rest);
    if (line.empty() || (number == 1 && line.find("#version") != line.npos)) continue;
    const size_t space = line.find(' ');
    if (space == 0 || space == line.npos || space + 1 == line.size() ||
        line.find(' ', space + 1) != line.npos) {
      fail_input("'{}', line {}: a merge must be two tokens with a space between", path.string(),
                 number);
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  if (merges.empty()) fail_input("'{}' holds no merges", path.string());
  return merges;
}

}  // namespace octet::data
