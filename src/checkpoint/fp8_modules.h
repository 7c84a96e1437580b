#pragma once

#include "checkpoint/checkpoint.h"

namespace octet::checkpoint {

/// How modules that store no input scale quantize their input.
enum class MissingInputScale {
  not_quantized,      ///< weights only; each is a notice
  dynamic_per_token,  ///< the scale is computed per row
};

/// What the Hugging Face layouts share: moves the scale tensors to `stored`, and checks that every
/// F8 weight has a scale and every weight scale an F8 weight. Scales become F32, [] or [out].
void take_scales(NamedTensors& tensors, MissingInputScale missing, const std::string& where,
                 StoredQuantization& stored);

/// Adds one notice for the attention blocks whose k has a scale and whose q has none.
void note_lost_q_scales(StoredQuantization& stored);

}  // namespace octet::checkpoint
