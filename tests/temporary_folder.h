#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace octet::test {

/// An empty folder that is removed with its contents.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> counter{0};
    path_ = std::filesystem::temp_directory_path() /
            ("octet-test-" + std::to_string(::getpid()) + "-" + std::to_string(counter++));
    std::filesystem::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
    return path_ / name;
  }

  /// Writes a file in the plainest way there is.
  // NOLINTNEXTLINE(modernize-use-nodiscard): mostly called for the file, not for its path
  std::filesystem::path write(std::string_view name, std::string_view bytes) const {
    auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  /// Files and folders directly inside.
  [[nodiscard]] int64_t entries() const {
    const std::filesystem::directory_iterator begin(path_);
    return std::distance(begin, std::filesystem::directory_iterator{});
  }

 private:
  std::filesystem::path path_;
};

}  // namespace octet::test
