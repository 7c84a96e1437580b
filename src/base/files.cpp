#include "base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/error.h"

namespace octet {
namespace fs = std::filesystem;

namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

fs::path temporary_name(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  return path.string() + fmt::format(".tmp-{}-{}", ::getpid(), counter.fetch_add(1));
}

/// Walks `name` folder by folder, so that no step can be a link to somewhere else.
Descriptor open_steps(const fs::path& folder, const fs::path& name) {
  Descriptor current(::open(folder.empty() ? "." : folder.c_str(), O_PATH | O_CLOEXEC));
  for (auto step = name.begin(); step != name.end() && current.get() >= 0; ++step) {
    const bool last = std::next(step) == name.end();
    const int flags = last ? O_RDONLY | O_NONBLOCK : O_PATH | O_DIRECTORY;
    current = Descriptor(::openat(current.get(), step->c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
  }
  return current;
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open_beneath(const fs::path& folder,
                                                           const fs::path& name) {
  const bool leads_out = std::ranges::any_of(name, [](const fs::path& step) {
    return step == ".." || step.native().find('\0') != std::string::npos;
  });
  if (name.empty() || name.is_absolute() || leads_out) {
    fail_input("'{}' is not a path below the folder of the file that names it", name.string());
  }
  const fs::path path = folder / name;
  const Descriptor file = open_steps(folder, name);
  if (file.get() < 0 && (errno == ELOOP || errno == ENOTDIR)) {
    fail_input("'{}' is, or is reached through, a symbolic link; put the file itself there",
               path.string());
  }
  if (file.get() < 0) fail_input("cannot open '{}': {}", path.string(), std::strerror(errno));
  struct stat status {};
  if (::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink > 1) {
    fail_input("'{}' is a hard link; put a copy of the file there", path.string());
  }
  return map(file.get(), path);
}

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0) fail_input("cannot open '{}': {}", path.string(), std::strerror(errno));
  return map(file.get(), path);
}

std::shared_ptr<const MappedFile> MappedFile::map(int descriptor, const fs::path& path) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    fail_input("'{}' is not a regular file", path.string());
  }
  const auto size = static_cast<size_t>(status.st_size);
  std::span<const std::byte> bytes;
  if (size > 0) {
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (address == MAP_FAILED) {
      fail_input("cannot map '{}': {}", path.string(), std::strerror(errno));
    }
    bytes = {static_cast<const std::byte*>(address), size};
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, bytes));
}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): the system call takes no const pointer
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  std::error_code error;
  const fs::file_type existing = fs::status(path_, error).type();
  if (existing == fs::file_type::not_found || existing == fs::file_type::regular) {
    create_temporary();
    return;
  }
  // Renaming onto a device or pipe would replace it.
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail_io("write");
}

void AtomicFile::create_folders() {
  const fs::path folder = path_.parent_path();
  if (folder.empty()) return;
  for (fs::path at = folder; !at.empty() && !file_exists(at); at = at.parent_path()) {
    created_.push_back(at);
  }
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return;
  errno = error.value();
  abandon();
  fail_io("create the folder of");
}

void AtomicFile::create_temporary() {
  create_folders();
  temporary_ = temporary_name(path_);
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor_ >= 0) return;
  abandon();
  fail_io("create");
}

/// Leaves everything as it was before, errno too.
void AtomicFile::abandon() {
  const int reason = errno;
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  for (const fs::path& folder : created_) ::rmdir(folder.c_str());  // a folder in use stays
  errno = reason;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      created_(std::move(other.created_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) abandon();
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::write(descriptor_, bytes.data(), std::min<size_t>(bytes.size(), 1u << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_io("write");
    bytes = bytes.subspan(static_cast<size_t>(written));
    size_ += static_cast<uint64_t>(written);
  }
}

void AtomicFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}

void AtomicFile::flush() {
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) fail_io("flush");
}

void AtomicFile::commit() {
  flush();
  ::close(std::exchange(descriptor_, -1));
  if (temporary_.empty() || ::rename(temporary_.c_str(), path_.c_str()) == 0) return;
  abandon();
  fail_io("rename");
}

void commit_together(std::span<AtomicFile> files) {
  for (AtomicFile& file : files) file.flush();
  for (AtomicFile& file : files) file.commit();
}

void AtomicFile::fail_io(std::string_view doing) const {
  const int reason = errno;
  fail(ErrorCode::failed, "cannot {} '{}': {}; free space or choose another output folder", doing,
       path_.string(), std::strerror(reason));
}

bool file_exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::string read_text(const fs::path& path, uint64_t limit) {
  const auto file = MappedFile::open(path);
  if (file->bytes().size() > limit) {
    fail_input("'{}' has {} bytes, more than the {} this kind of file may have", path.string(),
               file->bytes().size(), limit);
  }
  return std::string(file->text());
}

void write_text(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void copy_file(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (fs::equivalent(from, to, error)) return;
  const auto source = MappedFile::open(from);
  AtomicFile file(to);
  file.write(source->bytes());
  file.commit();
}

}  // namespace octet
