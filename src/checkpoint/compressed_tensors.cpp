#include "base/json.h"
#include "checkpoint/fp8_modules.h"
#include "checkpoint/layouts.h"

namespace octet::checkpoint {
namespace {

constexpr const char* kFormat = "float-quantized";

struct Arguments {
  int bits = 8;
  std::string type;
  std::string strategy;
  bool symmetric = true;
  bool dynamic = false;
};

Arguments read_arguments(const Json& object, const std::string& where) {
  return {json_or<int>(object, "num_bits", 8, where),
          json_or<std::string>(object, "type", "float", where),
          json_or<std::string>(object, "strategy", "tensor", where),
          json_or<bool>(object, "symmetric", true, where),
          json_or<bool>(object, "dynamic", false, where)};
}

void check_fp8(const Arguments& arguments, const std::string& where) {
  if (arguments.bits != 8 || arguments.type != "float" || !arguments.symmetric) {
    fail_input("{}: {} bits, type '{}'; supported is symmetric FP8", where, arguments.bits,
               arguments.type);
  }
}

void check_weights(const Arguments& weights, const std::string& where) {
  check_fp8(weights, where);
  if ((weights.strategy != "tensor" && weights.strategy != "channel") || weights.dynamic) {
    fail_input(
        "{}: weight scales of strategy '{}' are not supported; supported are tensor, channel",
        where, weights.strategy);
  }
}

/// True when the group's inputs are quantized per token.
bool check_inputs(const Arguments& inputs, const std::string& where) {
  check_fp8(inputs, where);
  const char* supported = inputs.dynamic ? "token" : "tensor";
  if (inputs.strategy != supported) {
    fail_input("{}: {} input scales of strategy '{}' are not supported; supported is '{}'", where,
               inputs.dynamic ? "dynamic" : "static", inputs.strategy, supported);
  }
  return inputs.dynamic;
}

void check_format(const Json& settings, const std::string& where) {
  const auto format = json_or<std::string>(settings, "format", kFormat, where);
  if (format != kFormat) {
    fail_input("{}: format '{}' is not supported; supported is {}", where, format, kFormat);
  }
  const auto status = json_or<std::string>(settings, "quantization_status", "compressed", where);
  if (status != "compressed") {
    fail_input("{}: quantization_status '{}'; save the model compressed", where, status);
  }
}

}  // namespace

StoredQuantization take_compressed_tensors(NamedTensors& tensors, const Json& settings,
                                           const std::string& where) {
  StoredQuantization stored;
  stored.layout = QuantizationLayout::compressed_tensors;
  check_format(settings, where);
  auto missing = MissingInputScale::not_quantized;
  const Json groups = json_at<Json>(settings, "config_groups", where);
  for (const auto& [name, group] : groups.items()) {
    const std::string context = fmt::format("{}: config_groups.{}", where, name);
    check_format(group, context);
    check_weights(read_arguments(json_at<Json>(group, "weights", context), context), context);
    const Json inputs = json_or<Json>(group, "input_activations", Json(), context);
    if (!inputs.is_null() && check_inputs(read_arguments(inputs, context), context)) {
      missing = MissingInputScale::dynamic_per_token;
    }
  }
  take_scales(tensors, missing, where, stored);
  return stored;
}

}  // namespace octet::checkpoint
