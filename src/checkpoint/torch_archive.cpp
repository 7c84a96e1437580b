#include "checkpoint/torch_archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/files.h"

namespace octet::checkpoint {
namespace {

constexpr size_t kMaxPickle = 64u << 20;

using Archive = std::unique_ptr<archive, decltype(&archive_read_free)>;

[[noreturn]] void fail_archive(const std::filesystem::path& path, archive* source) {
  const char* reason = archive_error_string(source);
  fail_input("'{}' is not an archive that torch.save writes: {}", path.string(),
             reason != nullptr ? reason : "unknown format");
}

Archive open_zip(const MappedFile& file) {
  Archive source(archive_read_new(), archive_read_free);
  archive_read_support_format_zip(source.get());
  const auto bytes = file.bytes();
  if (archive_read_open_memory(source.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) {
    fail_archive(file.path(), source.get());
  }
  return source;
}

/// "NAME/data.pkl", one folder deep.
bool is_pickle(const char* name) {
  if (name == nullptr) return false;
  const std::string_view path(name);
  const size_t slash = path.find('/');
  return slash != std::string_view::npos && path.substr(slash) == "/data.pkl";
}

std::vector<std::byte> read_entry(const MappedFile& file, archive* source) {
  std::vector<std::byte> bytes;
  std::vector<std::byte> block(1u << 16);
  while (true) {
    const auto size = archive_read_data(source, block.data(), block.size());
    if (size < 0) fail_archive(file.path(), source);
    if (size == 0) return bytes;
    bytes.insert(bytes.end(), block.begin(), block.begin() + size);
    if (bytes.size() > kMaxPickle) {
      fail_input("'{}': data.pkl has more than {} bytes", file.path().string(), kMaxPickle);
    }
  }
}

}  // namespace

std::vector<std::byte> read_torch_pickle(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const Archive source = open_zip(*file);
  std::optional<std::vector<std::byte>> pickle;
  archive_entry* entry = nullptr;
  int status = ARCHIVE_OK;
  while ((status = archive_read_next_header(source.get(), &entry)) == ARCHIVE_OK) {
    if (!is_pickle(archive_entry_pathname(entry))) continue;
    if (pickle) fail_input("'{}' holds two files data.pkl", path.string());
    pickle = read_entry(*file, source.get());
  }
  if (status != ARCHIVE_EOF) fail_archive(path, source.get());
  if (!pickle) fail_input("'{}' holds no data.pkl; torch.save did not write it", path.string());
  return std::move(*pickle);
}

}  // namespace octet::checkpoint
