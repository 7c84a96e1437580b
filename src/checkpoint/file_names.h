#pragma once

#include <array>

namespace octet::checkpoint {

// Files of a checkpoint folder, as Hugging Face names them.
inline constexpr const char* kConfigFile = "config.json";
inline constexpr const char* kWeightsFile = "model.safetensors";
inline constexpr const char* kWeightsIndexFile = "model.safetensors.index.json";
inline constexpr const char* kQuantConfigFile = "hf_quant_config.json";

/// Tokenizer and preprocessing, beside the model's configuration.
inline constexpr std::array kCompanionFiles{"tokenizer.json",
                                            "tokenizer_config.json",
                                            "vocab.json",
                                            "merges.txt",
                                            "special_tokens_map.json",
                                            "added_tokens.json",
                                            "preprocessor_config.json",
                                            "processor_config.json"};

}  // namespace octet::checkpoint
