#include <array>

#include "base/json.h"
#include "checkpoint/fp8_modules.h"
#include "checkpoint/layouts.h"

namespace octet::checkpoint {
namespace {

constexpr const char* kStatic = "FP8";
constexpr const char* kPerToken = "FP8_PER_CHANNEL_PER_TOKEN";

void check_algorithm(const Json& settings, const std::string& where) {
  const auto algorithm = json_or<std::string>(settings, "quant_algo", kStatic, where);
  if (algorithm != kStatic && algorithm != kPerToken) {
    fail_input("{}: quant_algo '{}' is not supported; supported are {} and {}", where, algorithm,
               kStatic, kPerToken);
  }
  const auto cache = json_or<std::string>(settings, "kv_cache_quant_algo", kStatic, where);
  if (cache != kStatic) {
    fail_input("{}: kv_cache_quant_algo '{}' is not supported; supported is {}", where, cache,
               kStatic);
  }
  if (settings.contains("weight_block_size") && !settings["weight_block_size"].is_null()) {
    fail_input("{}: block scales (weight_block_size) are not supported", where);
  }
}

/// config_groups describe how weights and inputs are stored; the tensors tell the rest.
bool groups_are_dynamic(const Json& settings, const std::string& where) {
  bool dynamic = false;
  for (const Json& group : json_or<Json>(settings, "config_groups", Json::object(), where)) {
    const Json inputs = json_or<Json>(group, "input_activations", Json::object(), where);
    dynamic |= json_or<bool>(inputs, "dynamic", false, where);
    const Json weights = json_or<Json>(group, "weights", Json::object(), where);
    const auto bits = json_or<int>(weights, "num_bits", 8, where);
    const auto type = json_or<std::string>(weights, "type", "float", where);
    if (bits != 8 || type != "float") {
      fail_input("{}: weights of {} bits, type '{}'; supported is FP8", where, bits, type);
    }
  }
  return dynamic;
}

bool inputs_are_dynamic(const Json& settings, const std::string& where) {
  return json_or<std::string>(settings, "quant_algo", kStatic, where) == kPerToken ||
         json_or<std::string>(settings, "activation_scheme", "static", where) == "dynamic" ||
         groups_are_dynamic(settings, where);
}

}  // namespace

StoredQuantization take_unified(NamedTensors& tensors, const Json& settings,
                                const std::string& where) {
  StoredQuantization stored;
  stored.layout = QuantizationLayout::unified;
  check_algorithm(settings, where);
  const auto missing = inputs_are_dynamic(settings, where) ? MissingInputScale::dynamic_per_token
                                                           : MissingInputScale::not_quantized;
  take_scales(tensors, missing, where, stored);
  note_lost_q_scales(stored);
  return stored;
}

}  // namespace octet::checkpoint
