#pragma once

#include <filesystem>

#include "checkpoint/checkpoint.h"

namespace octet::checkpoint {

bool holds_weights(const std::filesystem::path& folder);

/// Every tensor of model.safetensors or, without one, of the shards that the index names. Throws
/// `Error(bad_input)`: a broken file, a shard or tensor that is not where the index says, a tensor
/// in two shards, a pickle instead of safetensors. Smaller disagreements are logged as warnings.
NamedTensors read_weights(const std::filesystem::path& folder);

}  // namespace octet::checkpoint
