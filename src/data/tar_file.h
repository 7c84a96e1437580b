#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace octet::data {

/// A regular file inside a tar.
struct TarMember {
  std::string name;     ///< as stored, without a leading "./"
  uint64_t offset = 0;  ///< of its first byte in the tar
  uint64_t size = 0;
};

/// The regular files of an uncompressed tar, in their order; reads the headers only. Throws
/// `Error(bad_input)` for a broken or truncated tar, and for a compressed one.
std::vector<TarMember> list_tar(const std::filesystem::path& path);

/// Does the file begin like a tar?
bool looks_like_tar(const std::filesystem::path& path);

/// `size` bytes at `offset` of a file. Thread-safe. Throws `Error(bad_input)` when they are not
/// there.
std::vector<std::byte> read_file_part(const std::filesystem::path& path, uint64_t offset,
                                      uint64_t size);

}  // namespace octet::data
