#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace octet::checkpoint {

struct SafetensorsFile {
  std::map<std::string, Tensor, std::less<>> tensors;  ///< views of the mapped file
  std::map<std::string, std::string, std::less<>> metadata;
  std::vector<std::string> order;  ///< tensor names by offset
  std::span<const std::byte>
      header;  ///< length field and JSON, as in the file; kept alive by the tensors' owner
  std::shared_ptr<const void> owner;
};

/// Maps and validates a safetensors file (every rule of the format: header length, JSON, duplicate
/// keys, contiguous offsets, exact sizes, no trailing bytes). Throws `Error(bad_input)`.
SafetensorsFile read_safetensors(const std::filesystem::path& path);
/// The same for bytes in memory that `owner` keeps alive; `where` names them in messages.
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, std::string_view where,
                                  std::shared_ptr<const void> owner);

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

struct SafetensorsOptions {
  std::map<std::string, std::string, std::less<>> metadata;
  size_t header_alignment = 8;  ///< data begins at a multiple of this; plans use 64
  bool keep_order = false;      ///< false: by descending element size, then name
};

/// The bytes before the data: length field, JSON, padding.
std::string safetensors_header(std::span<const NamedTensor> tensors,
                               const SafetensorsOptions& options);
/// Writes atomically. Throws `Error(failed)`.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const SafetensorsOptions& options = {});

}  // namespace octet::checkpoint
