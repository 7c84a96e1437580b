#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "tests/temporary_folder.h"

namespace octet::system_test {

/// A file system of its own with little room, seen by this process and its children only. Making
/// one needs root; without, `obstacle()` says why there is none.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& size) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", path().c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) {
      obstacle_ = std::strerror(errno);
    }
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (obstacle_.empty()) ::umount(path().c_str());
  }

  [[nodiscard]] const std::string& obstacle() const { return obstacle_; }
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }
  [[nodiscard]] int64_t entries() const { return folder_.entries(); }

 private:
  test::TemporaryFolder folder_;
  std::string obstacle_;
};

}  // namespace octet::system_test
