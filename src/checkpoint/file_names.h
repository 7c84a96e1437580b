#pragma once

namespace octet::checkpoint {

// Files of a checkpoint folder, as Hugging Face names them.
inline constexpr const char* kConfigFile = "config.json";
inline constexpr const char* kWeightsFile = "model.safetensors";
inline constexpr const char* kWeightsIndexFile = "model.safetensors.index.json";
inline constexpr const char* kQuantConfigFile = "hf_quant_config.json";

}  // namespace octet::checkpoint
