#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace octet::checkpoint {

/// A stored scale or amax as F32, exactly; [] for one value, [out] for [out], [out, 1], ...
Tensor read_stored_values(const Tensor& stored, const std::string& context);

/// One value for an activation; for a weight, which must be there, also one per output channel.
void check_channels(const NamedTensors& tensors, const std::string& quantizer, const Tensor& values,
                    const std::string& context);

/// "'a', 'b', 'c' and 7 more": for notices about many tensors.
std::string list_names(const std::vector<std::string>& names);

}  // namespace octet::checkpoint
