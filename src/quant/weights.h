#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "quant/recipe.h"
#include "tensor/tensor.h"

namespace octet::quant {

/// The ranges of a weight [out, ...] of any floating type: one, or one for each output channel.
/// Throws `Error(bad_input)` naming the tensor when it holds NaN or infinity.
std::vector<float> solve_weight_amax(const Tensor& weight, const Format& format,
                                     const std::string& name);

/// E4M3 codes of weight / scale, saturating, in FP32. `scale` is any floating type: [], or one for
/// each index of `channel_axis`. Multi-threaded.
Tensor quantize_weight(const Tensor& weight, const Tensor& scale, size_t channel_axis);

}  // namespace octet::quant
