#include "checkpoint/save.h"

#include <algorithm>

#include "checkpoint/file_names.h"
#include "checkpoint/scale_names.h"
#include "checkpoint/staged_folder.h"

namespace octet::checkpoint {
namespace fs = std::filesystem;

namespace {

/// How the quantizers look as a whole, for the settings.
struct Summary {
  bool per_channel = false;
  bool dynamic_inputs = false;
  bool attention = false;
};

void check_weight_quantizer(const std::string& name, const StoredQuantizer& quantizer,
                            const NamedTensors& tensors) {
  const auto module = strip_suffix(name, ".weight_quantizer");
  if (!module) return;
  const auto weight = tensors.find(*module + ".weight");
  if (weight == tensors.end() || weight->second.dtype() != DType::f8e4m3) {
    fail(ErrorCode::usage, "'{}' is enabled, but there is no '{}.weight' of f8e4m3", name, *module);
  }
  const Shape channels{weight->second.extent(0)};
  if (quantizer.scale.rank() != 0 && quantizer.scale.shape() != channels) {
    fail(ErrorCode::usage, "'{}' has scales of shape {} for a weight of shape {}", name,
         to_string(quantizer.scale.shape()), to_string(weight->second.shape()));
  }
}

void check_quantizer(const std::string& name, const StoredQuantizer& quantizer,
                     const NamedTensors& tensors) {
  if (!scale_of_quantizer(name)) {
    fail(ErrorCode::usage, "quantizer '{}' has no place in the unified layout", name);
  }
  if (quantizer.before_attention_factor) {
    fail(ErrorCode::usage, "'{}' holds the scale of q before the attention factor; multiply it",
         name);
  }
  if (quantizer.dynamic_per_token) {
    if (name.ends_with(".input_quantizer")) return;
    fail(ErrorCode::usage, "'{}' is dynamic; only inputs of modules can be", name);
  }
  const bool channels_allowed = name.ends_with(".weight_quantizer");
  if (quantizer.scale.dtype() != DType::f32 || quantizer.scale.count() == 0 ||
      (quantizer.scale.rank() != 0 && !channels_allowed)) {
    fail(ErrorCode::usage, "'{}' has a scale of {} {}", name, name_of(quantizer.scale.dtype()),
         to_string(quantizer.scale.shape()));
  }
  check_weight_quantizer(name, quantizer, tensors);
}

void check_f8_weights(const NamedTensors& tensors, const StoredQuantizers& quantizers) {
  for (const auto& [name, tensor] : tensors) {
    if (tensor.dtype() != DType::f8e4m3) continue;
    const auto module = strip_suffix(name, ".weight");
    if (!module || !quantizers.contains(*module + ".weight_quantizer")) {
      fail(ErrorCode::usage, "tensor '{}' is f8e4m3, but no weight quantizer has its scale", name);
    }
  }
}

/// A module without a stored input scale is read back as dynamic, or not quantized, as a whole.
void check_inputs_agree(const StoredQuantizers& quantizers) {
  for (const auto& [name, quantizer] : quantizers) {
    const auto module = strip_suffix(name, ".weight_quantizer");
    if (module && !quantizers.contains(*module + ".input_quantizer")) {
      fail(ErrorCode::usage,
           "the input of '{}' is not quantized while others are dynamic; the unified layout cannot "
           "hold both",
           *module);
    }
  }
}

StoredQuantizers enabled_only(const StoredQuantizers& quantizers) {
  StoredQuantizers enabled;
  for (const auto& [name, quantizer] : quantizers) {
    if (quantizer.enabled) enabled.emplace(name, quantizer);
  }
  return enabled;
}

Summary summarize(const StoredQuantizers& quantizers) {
  Summary summary;
  for (const auto& [name, quantizer] : quantizers) {
    summary.per_channel |= quantizer.scale.rank() != 0 && !quantizer.dynamic_per_token;
    summary.dynamic_inputs |= quantizer.dynamic_per_token;
    summary.attention |= name.ends_with(".k_bmm_quantizer");
  }
  return summary;
}

NamedTensors with_scales(const NamedTensors& tensors, const StoredQuantizers& quantizers) {
  NamedTensors all = tensors;
  for (const auto& [name, quantizer] : quantizers) {
    if (quantizer.dynamic_per_token) continue;
    const auto scale = *scale_of_quantizer(name);
    check(all.emplace(scale, quantizer.scale).second, "tensor '{}' is no model tensor", scale);
  }
  return all;
}

/// Modules with a matrix that stays in its type.
Json ignored_modules(const NamedTensors& tensors) {
  Json modules = Json::array();
  for (const auto& [name, tensor] : tensors) {
    const auto module = strip_suffix(name, ".weight");
    if (module && tensor.rank() >= 2 && tensor.dtype() != DType::f8e4m3) modules.push_back(*module);
  }
  return modules;
}

const char* algorithm(const Summary& summary) {
  return summary.per_channel && summary.dynamic_inputs ? "FP8_PER_CHANNEL_PER_TOKEN" : "FP8";
}

Json producer(const SaveOptions& options) {
  return {{"name", "octet"}, {"version", options.producer_version}};
}

/// quantization_config, in the keys of Model Optimizer's export.
Json quantization_config(const Summary& summary, const Json& ignored, const SaveOptions& options) {
  Json weights = {{"dynamic", false}, {"num_bits", 8}, {"type", "float"}};
  Json inputs = weights;
  if (summary.per_channel) weights["strategy"] = "channel";
  inputs["dynamic"] = summary.dynamic_inputs;
  if (summary.dynamic_inputs) inputs["strategy"] = "token";
  const Json group = {
      {"input_activations", inputs}, {"weights", weights}, {"targets", Json::array({"Linear"})}};
  Json settings = {{"quant_method", "modelopt"},
                   {"quant_algo", algorithm(summary)},
                   {"config_groups", {{"group_0", group}}},
                   {"ignore", ignored},
                   {"producer", producer(options)}};
  if (summary.attention) {
    settings["kv_cache_scheme"] = {{"dynamic", false}, {"num_bits", 8}, {"type", "float"}};
  }
  return settings;
}

/// The same for readers of hf_quant_config.json.
Json quant_config_file(const Summary& summary, const Json& ignored, const SaveOptions& options) {
  const Json cache = summary.attention ? Json("FP8") : Json();
  return {{"producer", producer(options)},
          {"quantization",
           {{"quant_algo", algorithm(summary)},
            {"kv_cache_quant_algo", cache},
            {"exclude_modules", ignored}}}};
}

std::vector<TensorInfo> describe(const NamedTensors& tensors) {
  std::vector<TensorInfo> infos;
  for (const auto& [name, tensor] : tensors) {
    infos.push_back({name, tensor.dtype(), tensor.shape()});
  }
  return infos;
}

}  // namespace

void save_checkpoint(const fs::path& folder, const Json& config,
                     std::span<const TensorInfo> tensors, const TensorSource& source,
                     const SaveOptions& options) {
  StagedFolder staged(folder);
  staged.add_weights(tensors, source, options.shard_bytes);
  for (const CompanionFile& file : options.companions) staged.add_text(file.name, file.text);
  staged.add_json(kConfigFile, config);
  staged.commit();
}

void save_quantized(const fs::path& folder, const Json& config, const NamedTensors& tensors,
                    const StoredQuantizers& quantizers, const SaveOptions& options) {
  const StoredQuantizers enabled = enabled_only(quantizers);
  for (const auto& [name, quantizer] : enabled) check_quantizer(name, quantizer, tensors);
  check_f8_weights(tensors, enabled);
  const Summary summary = summarize(enabled);
  if (summary.dynamic_inputs) check_inputs_agree(enabled);

  const NamedTensors all = with_scales(tensors, enabled);
  const TensorSource source = [&](const TensorInfo& info) { return all.find(info.name)->second; };
  const Json ignored = ignored_modules(tensors);
  Json full_config = config;
  full_config["quantization_config"] = quantization_config(summary, ignored, options);

  StagedFolder staged(folder);
  staged.add_weights(describe(all), source, options.shard_bytes);
  staged.add_json(kQuantConfigFile, quant_config_file(summary, ignored, options));
  for (const CompanionFile& file : options.companions) staged.add_text(file.name, file.text);
  staged.add_json(kConfigFile, full_config);
  staged.commit();
}

std::vector<CompanionFile> read_companions(const fs::path& folder) {
  std::vector<CompanionFile> files;
  for (const char* name : kCompanionFiles) {
    if (file_exists(folder / name)) files.push_back({name, read_text(folder / name)});
  }
  return files;
}

}  // namespace octet::checkpoint
