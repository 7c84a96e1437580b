#include <algorithm>
#include <array>
#include <cmath>

#include "base/files.h"
#include "checkpoint/layouts.h"
#include "checkpoint/modelopt_state.h"
#include "checkpoint/scale_names.h"
#include "checkpoint/stored_scales.h"
#include "tensor/codecs.h"

namespace octet::checkpoint {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kAmax = "._amax";
constexpr std::string_view kAttentionOutput = ".bmm2_output_quantizer";
constexpr const char* kStateFile = "modelopt_state.pth";

using States = std::map<std::string, ModelOptQuantizer>;

/// Quantizers that have a canonical name of their own.
constexpr std::array<std::string_view, 7> kKnown{
    ".input_quantizer", ".weight_quantizer",  ".q_bmm_quantizer",       ".k_bmm_quantizer",
    ".v_bmm_quantizer", ".softmax_quantizer", ".bmm2_output_quantizer",
};

bool is_known(std::string_view quantizer) {
  return std::ranges::any_of(kKnown, [&](auto suffix) { return quantizer.ends_with(suffix); });
}

bool is_buffer(std::string_view name) {
  return name.find("_quantizer.") != std::string_view::npos;
}

StoredQuantizer read_amax(const Tensor& stored, const std::string& quantizer,
                          const std::string& context) {
  StoredQuantizer result;
  result.amax = read_stored_values(stored, context);
  result.scale = Tensor(DType::f32, result.amax.shape());
  const auto amax = result.amax.values<float>();
  const auto scale = result.scale.mutable_values<float>();
  for (size_t i = 0; i < amax.size(); ++i) {
    if (!std::isfinite(amax[i]) || amax[i] < 0) {
      fail_input("{}: amax {} is unusable", context, amax[i]);
    }
    scale[i] = scale_from_amax(amax[i]);
  }
  result.before_attention_factor = quantizer.ends_with(".q_bmm_quantizer");
  return result;
}

void take_amax(NamedTensors& tensors, const std::string& where, StoredQuantization& stored) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    if (is_buffer(name)) names.push_back(name);
  }
  for (const std::string& name : names) {
    const std::string context = fmt::format("{}: tensor '{}'", where, name);
    const auto quantizer = strip_suffix(name, kAmax);
    if (!quantizer || !is_known(*quantizer)) {
      fail_input("{}: a quantizer buffer that is not supported; supported is static FP8 (_amax)",
                 context);
    }
    StoredQuantizer taken = read_amax(tensors.find(name)->second, *quantizer, context);
    check_channels(tensors, *quantizer, taken.amax, context);
    stored.quantizers.emplace(*quantizer, std::move(taken));
    tensors.erase(name);
  }
}

void apply_enabled(const std::string& name, const ModelOptQuantizer& state,
                   const std::string& where, StoredQuantization& stored) {
  const std::string context = fmt::format("{}: quantizer '{}'", where, name);
  if (!is_known(name)) {
    stored.notices.push_back(fmt::format(
        "quantizer '{}' is enabled, but has no place among those that are read; it is left out",
        name));
    return;
  }
  if (!state.fp8 || state.blocks) {
    fail_input(
        "{}: enabled with a format that is not supported; supported is FP8 (4, 3) with one "
        "scale per tensor, output channel or token",
        context);
  }
  if (state.dynamic_per_token) {
    StoredQuantizer dynamic;
    dynamic.dynamic_per_token = true;
    stored.quantizers[name] = dynamic;
  } else if (!stored.quantizers.contains(name)) {
    fail_input("{}: enabled, but there is no '{}{}'; calibrate the model before saving it", context,
               name, kAmax);
  }
}

void apply_state(const States& states, const std::string& where, StoredQuantization& stored) {
  std::vector<std::string> unlisted;
  for (auto& [name, quantizer] : stored.quantizers) {
    const auto state = states.find(name);
    if (state == states.end()) unlisted.push_back(name);
    quantizer.enabled = state == states.end() || state->second.enabled;
  }
  for (const auto& [name, state] : states) {
    if (state.enabled) apply_enabled(name, state, where, stored);
  }
  if (unlisted.empty()) return;
  stored.notices.push_back(
      fmt::format("{} does not mention {}; taken as enabled", kStateFile, list_names(unlisted)));
}

/// The attention output is the input of out_proj: both quantizers look at the same tensor.
void merge_attention_output(const std::string& name, StoredQuantization& stored) {
  const auto node = stored.quantizers.extract(name);
  const StoredQuantizer& output = node.mapped();
  const std::string input = *strip_suffix(name, kAttentionOutput) + ".out_proj.input_quantizer";
  StoredQuantizer& kept = stored.quantizers.try_emplace(input, output).first->second;
  if (!output.enabled) return;
  if (!kept.enabled) {
    kept = output;
    stored.notices.push_back(fmt::format(
        "'{}' is enabled and '{}', which looks at the same tensor, is not; it is taken as enabled",
        name, input));
  } else if (!(kept.amax == output.amax)) {
    stored.notices.push_back(fmt::format(
        "'{}' and '{}' look at the same tensor but have different amax; the latter's is used", name,
        input));
  }
}

void merge_attention_outputs(StoredQuantization& stored) {
  std::vector<std::string> names;
  for (const auto& [name, quantizer] : stored.quantizers) {
    if (name.ends_with(kAttentionOutput)) names.push_back(name);
  }
  for (const std::string& name : names) merge_attention_output(name, stored);
}

}  // namespace

bool holds_modelopt_amax(const NamedTensors& tensors) {
  return std::ranges::any_of(tensors, [](const auto& item) {
    return item.first.ends_with(kAmax) && is_buffer(item.first);
  });
}

StoredQuantization take_modelopt(NamedTensors& tensors, const fs::path& folder) {
  StoredQuantization stored;
  stored.layout = QuantizationLayout::modelopt;
  take_amax(tensors, folder.string(), stored);
  const fs::path state = folder / kStateFile;
  if (file_exists(state)) {
    apply_state(read_modelopt_state(state), state.string(), stored);
  } else {
    stored.notices.push_back(fmt::format(
        "there is no {} in '{}', which says what is enabled; every quantizer with an amax is taken "
        "as enabled FP8",
        kStateFile, folder.string()));
  }
  merge_attention_outputs(stored);
  return stored;
}

}  // namespace octet::checkpoint
