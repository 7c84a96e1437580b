#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/json.h"

namespace octet::models {

enum class Activation : uint8_t { quick_gelu, gelu, gelu_tanh };

/// The transformer of one tower.
struct TransformerConfig {
  int64_t width = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t ffn = 0;
  Activation activation = Activation::quick_gelu;
  float epsilon = 1e-5F;

  [[nodiscard]] int64_t head_dim() const { return width / heads; }
  friend bool operator==(const TransformerConfig&, const TransformerConfig&) = default;
};

struct TextConfig {
  TransformerConfig transformer{512, 12, 8, 2048};
  int64_t vocabulary = 49408;
  int64_t context = 77;
  /// Pooling takes the first position with this id; 2 (old files) means the position of the
  /// largest id.
  int64_t eos_token_id = 49407;
  int64_t bos_token_id = 49406;
  int64_t pad_token_id = 1;
  friend bool operator==(const TextConfig&, const TextConfig&) = default;
};

struct VisionConfig {
  TransformerConfig transformer{768, 12, 12, 3072};
  int64_t image_size = 224;
  int64_t patch = 32;
  int64_t channels = 3;

  [[nodiscard]] int64_t patches() const { return (image_size / patch) * (image_size / patch); }
  friend bool operator==(const VisionConfig&, const VisionConfig&) = default;
};

/// A Hugging Face CLIP config.json with every default filled in.
struct ClipConfig {
  TextConfig text;
  VisionConfig vision;
  int64_t projection = 512;

  /// Accepts omitted keys and the legacy text_config_dict / vision_config_dict, which override.
  /// Throws `Error(bad_input)`: another model_type, an unknown activation, sizes that do not
  /// divide.
  static ClipConfig from_json(const Json& config, std::string_view where);
  /// As transformers writes it, all keys spelled out.
  [[nodiscard]] Json to_json(std::string_view dtype) const;
  friend bool operator==(const ClipConfig&, const ClipConfig&) = default;
};

}  // namespace octet::models
