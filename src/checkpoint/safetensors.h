#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "tensor/tensor.h"

namespace octet::checkpoint {

struct SafetensorsFile {
  /// Views of the mapped file; a tensor that stands unaligned for its dtype is an aligned copy.
  std::map<std::string, Tensor, std::less<>> tensors;
  std::map<std::string, std::string, std::less<>> metadata;
  std::vector<std::string> order;  ///< tensor names by offset
  /// Length field and JSON, as in the file; valid while `owner` lives.
  std::span<const std::byte> header;
  std::shared_ptr<const void> owner;
};

/// Maps and validates a safetensors file (every rule of the format: header length, JSON, duplicate
/// keys, contiguous offsets, exact sizes, no trailing bytes). Throws `Error(bad_input)` naming the
/// file and the tensor. Values are not looked at: NaN is allowed.
SafetensorsFile read_safetensors(const std::filesystem::path& path);
/// The same for bytes in memory that `owner` keeps alive; `where` names them in messages.
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, std::string_view where,
                                  std::shared_ptr<const void> owner);

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// A tensor that is still to be made.
struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
};

struct SafetensorsOptions {
  std::map<std::string, std::string, std::less<>> metadata;
  size_t header_alignment = 8;  ///< data begins at a multiple of this; plans use 64
  /// false: by descending element size and type, then name, as the format's own writer does.
  bool keep_order = false;
};

/// The bytes before the data: length field, JSON, padding. Names must be unique.
std::string safetensors_header(std::span<const NamedTensor> tensors,
                               const SafetensorsOptions& options);
std::string safetensors_header(std::span<const TensorInfo> tensors,
                               const SafetensorsOptions& options);

/// Writes atomically. Throws `Error(failed)`.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const SafetensorsOptions& options = {});

/// Makes the tensor announced by `info`: exactly that dtype and shape.
using TensorSource = std::function<Tensor(const TensorInfo& info)>;

/// Writes a file whose tensors are made one after the other, in the order of the file, so that only
/// one is in memory at a time. The caller commits. Throws `Error(failed)` and what `source` throws.
AtomicFile stage_safetensors(const std::filesystem::path& path, std::span<const TensorInfo> tensors,
                             const TensorSource& source, const SafetensorsOptions& options = {});

}  // namespace octet::checkpoint
