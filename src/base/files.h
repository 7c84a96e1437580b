#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octet {

/// A whole file mapped read-only. Shared by the tensors that view it; unmapped with the last one.
/// Thread-safe (immutable). The file must not shrink while mapped.
class MappedFile {
 public:
  /// Throws `Error(bad_input)` when the file is missing, unreadable or not a regular file.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  /// A file named by another file that is not trusted. `name` must be relative, lead nowhere but
  /// below `folder` (no ".."), and meet no symbolic link on the way; the file must be regular and
  /// have one name only, as a hard link could stand for any file. Throws `Error(bad_input)`.
  static std::shared_ptr<const MappedFile> open_beneath(const std::filesystem::path& folder,
                                                        const std::filesystem::path& name);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  static std::shared_ptr<const MappedFile> map(int descriptor, const std::filesystem::path& path);
  MappedFile(std::filesystem::path path, std::span<const std::byte> bytes)
      : path_(std::move(path)), bytes_(bytes) {}

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

/// Writes a file under a temporary name beside `path` and renames it on `commit()`. Without a
/// commit the destructor removes the temporary, and the folders that were created for it: readers
/// see the old file or the new one. A device or pipe ("/dev/stdout") is written directly.
class AtomicFile {
 public:
  /// Creates missing parent folders. Throws `Error(failed)` when the folder cannot be written.
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  /// Throws `Error(failed)` with the reason (disk full, ...).
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  [[nodiscard]] uint64_t size() const { return size_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// Waits until the bytes are on the disk. Throws `Error(failed)`.
  void flush();
  /// Flushes and renames. Throws `Error(failed)`; the old file then stays.
  void commit();

 private:
  void create_folders();
  void create_temporary();
  void abandon();
  [[noreturn]] void fail_io(std::string_view doing) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::vector<std::filesystem::path> created_;  ///< folders, the innermost first
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

/// Commits files that belong together, in their order. All are flushed before the first is renamed,
/// so a full disk leaves every old file as it was.
void commit_together(std::span<AtomicFile> files);

/// Is there something under this name? Also false where the folder cannot be looked into.
bool file_exists(const std::filesystem::path& path);

/// Small text file in one go. Throws `Error(bad_input)`; at most `limit` bytes.
std::string read_text(const std::filesystem::path& path, uint64_t limit = 256u << 20);

/// Writes `text` through an AtomicFile.
void write_text(const std::filesystem::path& path, std::string_view text);

/// Copies through an AtomicFile; source and destination may be the same file (then nothing is
/// done).
void copy_file(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace octet
