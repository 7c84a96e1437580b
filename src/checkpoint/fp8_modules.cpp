#include "checkpoint/fp8_modules.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "checkpoint/scale_names.h"
#include "checkpoint/stored_scales.h"

namespace octet::checkpoint {
namespace {

/// Tensors of formats that are like FP8 but mean something else.
constexpr std::array<std::string_view, 7> kForeign{
    ".weight_scale_inv", ".weight_scale_2", ".pre_quant_scale", ".weight_zero_point",
    ".input_zero_point", ".k_proj.k_bias",  ".v_proj.v_bias"};

void refuse_foreign(const NamedTensors& tensors, const std::string& where) {
  for (const auto& [name, tensor] : tensors) {
    const auto ends = [&name = name](std::string_view suffix) { return name.ends_with(suffix); };
    if (std::ranges::any_of(kForeign, ends)) {
      fail_input(
          "{}: tensor '{}' belongs to a quantization that is not supported; supported is FP8 with "
          "one scale per tensor or per output channel",
          where, name);
    }
  }
}

void check_values(const Tensor& scale, const std::string& context) {
  for (const float value : scale.values<float>()) {
    if (!std::isfinite(value) || value <= 0) fail_input("{}: scale {} is unusable", context, value);
  }
}

void check_f8_weight(const Tensor& weight, const std::string& module, const std::string& context) {
  if (weight.dtype() == DType::f8e4m3) return;
  fail_input("{}: '{}.weight' is {}, only f8e4m3 weights are supported", context, module,
             name_of(weight.dtype()));
}

void take_scale(NamedTensors& tensors, const std::string& name, const std::string& quantizer,
                const std::string& where, StoredQuantization& stored) {
  const std::string context = fmt::format("{}: tensor '{}'", where, name);
  StoredQuantizer taken;
  taken.scale = read_stored_values(tensors.find(name)->second, context);
  check_values(taken.scale, context);
  check_channels(tensors, quantizer, taken.scale, context);
  if (const auto module = strip_suffix(quantizer, ".weight_quantizer")) {
    check_f8_weight(tensors.find(*module + ".weight")->second, *module, context);
  }
  if (!stored.quantizers.emplace(quantizer, taken).second) {
    fail_input("{}: '{}' has a second scale", context, quantizer);
  }
  tensors.erase(name);
}

void check_f8_weights(const NamedTensors& tensors, const StoredQuantization& stored,
                      const std::string& where) {
  for (const auto& [name, tensor] : tensors) {
    if (tensor.dtype() != DType::f8e4m3 && tensor.dtype() != DType::f8e5m2) continue;
    const auto module = strip_suffix(name, ".weight");
    if (!module || !stored.quantizers.contains(*module + ".weight_quantizer")) {
      fail_input("{}: tensor '{}' is {} but has no '{}_scale'", where, name,
                 name_of(tensor.dtype()), name);
    }
  }
}

/// Modules whose weight is quantized and whose input has no stored scale.
std::vector<std::string> modules_without_input_scale(const StoredQuantization& stored) {
  std::vector<std::string> modules;
  for (const auto& [name, quantizer] : stored.quantizers) {
    const auto module = strip_suffix(name, ".weight_quantizer");
    if (module && !stored.quantizers.contains(*module + ".input_quantizer")) {
      modules.push_back(*module);
    }
  }
  return modules;
}

}  // namespace

void take_scales(NamedTensors& tensors, MissingInputScale missing, const std::string& where,
                 StoredQuantization& stored) {
  refuse_foreign(tensors, where);
  std::map<std::string, std::string> scales;
  for (const auto& [name, tensor] : tensors) {
    if (auto quantizer = quantizer_of_scale(name)) scales.emplace(name, std::move(*quantizer));
  }
  for (const auto& [name, quantizer] : scales) take_scale(tensors, name, quantizer, where, stored);
  check_f8_weights(tensors, stored, where);
  const auto modules = modules_without_input_scale(stored);
  if (missing == MissingInputScale::dynamic_per_token) {
    for (const auto& module : modules) {
      stored.quantizers[module + ".input_quantizer"].dynamic_per_token = true;
    }
  } else if (!modules.empty()) {
    stored.notices.push_back(
        fmt::format("the checkpoint stores no input_scale for {}; their inputs are not quantized",
                    list_names(modules)));
  }
}

void note_lost_q_scales(StoredQuantization& stored) {
  std::vector<std::string> lost;
  for (const auto& [name, quantizer] : stored.quantizers) {
    const auto attention = strip_suffix(name, ".k_bmm_quantizer");
    if (attention && !stored.quantizers.contains(*attention + ".q_bmm_quantizer")) {
      lost.push_back(*attention + ".q_bmm_quantizer");
    }
  }
  if (lost.empty()) return;
  stored.notices.push_back(fmt::format(
      "the checkpoint stores scales for k and v but none for {}, which its layout cannot hold",
      list_names(lost)));
}

}  // namespace octet::checkpoint
