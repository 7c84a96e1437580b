#include "data/tar_file.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/files.h"
#include "base/progress.h"

namespace octet::data {
namespace fs = std::filesystem;

namespace {

struct ArchiveDeleter {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Archive = std::unique_ptr<archive, ArchiveDeleter>;

[[noreturn]] void fail_tar(const fs::path& path, archive* reader) {
  const char* reason = archive_error_string(reader);
  fail_input("'{}' is not a readable uncompressed tar: {}", path.string(),
             reason == nullptr ? "unknown reason" : reason);
}

Archive open_tar(const fs::path& path) {
  Archive reader(archive_read_new());
  check(reader != nullptr, "libarchive cannot start");
  archive_read_support_format_tar(reader.get());
  constexpr size_t kBlock = 16384;
  if (archive_read_open_filename(reader.get(), path.c_str(), kBlock) != ARCHIVE_OK) {
    fail_tar(path, reader.get());
  }
  return reader;
}

/// In the C locale libarchive may give a name in one of its two forms only.
std::string entry_name(archive_entry* entry) {
  const char* name = archive_entry_pathname_utf8(entry);
  if (name == nullptr) name = archive_entry_pathname(entry);
  std::string_view text = name == nullptr ? "" : name;
  while (text.starts_with("./")) text.remove_prefix(2);
  return std::string(text);
}

bool is_plain_file(archive_entry* entry) {
  return archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == nullptr &&
         archive_entry_sparse_count(entry) == 0;
}

}  // namespace

std::vector<TarMember> list_tar(const fs::path& path) {
  const uint64_t file_size = MappedFile::open(path)->bytes().size();
  const Archive reader = open_tar(path);
  std::vector<TarMember> members;
  archive_entry* entry = nullptr;
  int status = archive_read_next_header(reader.get(), &entry);
  for (; status == ARCHIVE_OK || status == ARCHIVE_WARN;
       status = archive_read_next_header(reader.get(), &entry)) {
    throw_if_interrupted();
    if (!is_plain_file(entry)) continue;
    // Nothing is compressed, so bytes read up to the end of the header are the data's offset.
    const auto offset = static_cast<uint64_t>(archive_filter_bytes(reader.get(), 0));
    const auto size = static_cast<uint64_t>(archive_entry_size(entry));
    const std::string name = entry_name(entry);
    if (offset > file_size || size > file_size - offset) {
      fail_input("'{}' is truncated: '{}' in it needs {} bytes, {} are left; fetch it again",
                 path.string(), name, size, file_size - std::min(offset, file_size));
    }
    members.push_back({name, offset, size});
  }
  if (status != ARCHIVE_EOF) fail_tar(path, reader.get());
  return members;
}

bool looks_like_tar(const fs::path& path) {
  constexpr size_t kMagicOffset = 257;
  std::ifstream file(path, std::ios::binary);
  std::string magic(5, '\0');
  file.seekg(kMagicOffset);
  file.read(magic.data(), static_cast<std::streamsize>(magic.size()));
  return file.good() && magic == "ustar";
}

std::vector<std::byte> read_file_part(const fs::path& path, uint64_t offset, uint64_t size) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::byte> bytes(size);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!file.good()) {
    fail_input("cannot read {} bytes at {} of '{}'; it changed or cannot be read", size, offset,
               path.string());
  }
  return bytes;
}

}  // namespace octet::data
