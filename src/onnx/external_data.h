#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace octet::onnx {

/// Bytes in a file beside the model, and what keeps them mapped.
struct ExternalBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const MappedFile> owner;
};

/// The files beside a model that its tensors point to. A model is not trusted: only regular files
/// inside its own folder are opened (see MappedFile::open_beneath), each mapped once.
class ExternalData {
 public:
  explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// `entries` are the encoded external_data fields of a tensor. Of `needed` bytes the tensor
  /// must get exactly those; a length left out means so. Throws `Error(bad_input)`.
  ExternalBytes find(const std::vector<std::string_view>& entries, size_t needed);

 private:
  const std::shared_ptr<const MappedFile>& file(const std::string& location);

  std::filesystem::path folder_;
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

}  // namespace octet::onnx
