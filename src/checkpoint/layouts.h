#pragma once

#include <filesystem>

#include "checkpoint/checkpoint.h"

namespace octet::checkpoint {

// One reader per stored layout. Each moves the scales or amax of its layout from `tensors` to the
// result, checks them against the weights, and throws `Error(bad_input)` naming the tensor or
// setting that it does not support. `where` names the checkpoint in messages.

/// Ours, Model Optimizer's export, and the "fp8" method that has the same tensors. `settings` is
/// quantization_config of config.json, or what hf_quant_config.json has under "quantization", or
/// an empty object where only the tensors speak.
StoredQuantization take_unified(NamedTensors& tensors, const Json& settings,
                                const std::string& where);

StoredQuantization take_compressed_tensors(NamedTensors& tensors, const Json& settings,
                                           const std::string& where);

/// Which quantizers are enabled stands in modelopt_state.pth of `folder`.
StoredQuantization take_modelopt(NamedTensors& tensors, const std::filesystem::path& folder);
bool holds_modelopt_amax(const NamedTensors& tensors);

}  // namespace octet::checkpoint
