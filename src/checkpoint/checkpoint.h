#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tensor/tensor.h"

namespace octet::checkpoint {

/// Tensors of a checkpoint by name; bytes stay in the mapped files.
using NamedTensors = std::map<std::string, Tensor, std::less<>>;

/// How the checkpoint's quantization was stored on disk.
enum class QuantizationLayout {
  unified,   ///< F8 weights, weight_scale, input_scale (ours and Model Optimizer's export)
  modelopt,  ///< `*_quantizer._amax` beside weights of the original type, modelopt_state.pth
  compressed_tensors,  ///< F8 weights, weight_scale, optional input_scale
};

/// One quantizer of a stored checkpoint, under its canonical name:
/// MODULE.input_quantizer, MODULE.weight_quantizer for a Linear (or the patch convolution);
/// ATTENTION.{q,k,v}_bmm_quantizer and ATTENTION.softmax_quantizer for attention, where the
/// attention output is out_proj.input_quantizer.
struct StoredQuantizer {
  bool enabled = true;
  bool dynamic_per_token = false;  ///< no static scale: computed per row of the live tensor
  Tensor scale;  ///< F32, [] or [out]; exactly as stored, widened. For modelopt: amax / 448 in F32
  Tensor amax;   ///< F32, only where the layout stores an amax; otherwise count() == 0
  /// q's amax was taken before the attention factor 1/sqrt(d) multiplied it (Model Optimizer).
  bool before_attention_factor = false;
};

/// Quantizers by canonical name.
using StoredQuantizers = std::map<std::string, StoredQuantizer, std::less<>>;

struct StoredQuantization {
  QuantizationLayout layout{};
  StoredQuantizers quantizers;
  /// What the layout cannot say or had to be assumed, a sentence each, naming the tensor.
  std::vector<std::string> notices;
};

/// A checkpoint folder: config.json and the weights, memory-mapped.
struct Checkpoint {
  std::filesystem::path folder;
  Json config;
  NamedTensors
      tensors;  ///< model tensors only: scales and amax buffers have moved to `quantization`
  std::optional<StoredQuantization> quantization;
};

/// Opens model.safetensors, or model.safetensors.index.json and its shards. Scale and amax tensors
/// are separated from model tensors. Throws `Error(bad_input)`: no config.json, no safetensors
/// (a pickle beside it is named and refused), a broken file, a shard that is not there.
Checkpoint open_checkpoint(const std::filesystem::path& folder);

/// Is there something that `open_checkpoint` would open?
bool holds_checkpoint(const std::filesystem::path& folder);

}  // namespace octet::checkpoint
