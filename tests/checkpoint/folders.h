#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "tests/temporary_folder.h"

namespace octet::checkpoint {

/// Checkpoints of other tools that tests read; their README says where they come from.
inline std::filesystem::path interop(std::string_view name) {
  return std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/interop" / name;
}

inline Tensor f32(const Shape& shape, const std::vector<float>& values) {
  return Tensor::from<float>(shape, values);
}

/// A tensor whose bytes count up.
inline Tensor counting(DType dtype, const Shape& shape) {
  Tensor tensor(dtype, shape);
  for (size_t i = 0; i < tensor.size_bytes(); ++i) tensor.mutable_bytes()[i] = std::byte(i % 120);
  return tensor;
}

/// A checkpoint folder with this config.json and model.safetensors.
inline void write_checkpoint(const test::TemporaryFolder& folder, const Json& config,
                             const std::vector<NamedTensor>& tensors) {
  folder.write("config.json", config.dump());
  write_safetensors(folder / "model.safetensors", tensors);
}

}  // namespace octet::checkpoint
