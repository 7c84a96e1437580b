#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace octet::checkpoint {

/// Pieces of pickles, to be put together by hand.
namespace pickle {

inline std::string text(const std::string& value) {
  std::string length;
  for (int i = 0; i < 4; ++i) length.push_back(static_cast<char>(value.size() >> (8 * i)));
  return "X" + length + value;
}

inline std::string integer(int32_t value) {
  std::string bytes = "J";
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

inline std::string boolean(bool value) {
  return value ? "\x88" : "\x89";
}
inline std::string none() {
  return "N";
}

inline std::string list(const std::vector<std::string>& items) {
  std::string bytes = "](";
  for (const auto& item : items) bytes += item;
  return bytes + "e";
}

inline std::string pair(const std::string& first, const std::string& second) {
  return first + second + "\x86";
}

/// Keys are pickles as well.
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string bytes = "}(";
  for (const auto& [key, value] : items) bytes += key + value;
  return bytes + "u";
}

inline std::string file(const std::string& value) {
  return "\x80\x02" + value + ".";
}

}  // namespace pickle

/// A zip archive, stored, as torch.save writes it.
inline void write_zip(const std::filesystem::path& path,
                      const std::vector<std::pair<std::string, std::string>>& entries) {
  archive* zip = archive_write_new();
  archive_write_set_format_zip(zip);
  archive_write_zip_set_compression_store(zip);
  archive_write_open_filename(zip, path.c_str());
  for (const auto& [name, bytes] : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<int64_t>(bytes.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_write_header(zip, entry);
    archive_write_data(zip, bytes.data(), bytes.size());
    archive_entry_free(entry);
  }
  archive_write_free(zip);
}

}  // namespace octet::checkpoint
