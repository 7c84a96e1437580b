#include "models/clip_config.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace octet::models {
namespace {

struct ActivationName {
  std::string_view name;
  Activation activation;
};

/// Spellings that transformers' hidden_act takes; the first of each kind is the one we write.
constexpr std::array kActivations{
    ActivationName{"quick_gelu", Activation::quick_gelu},
    ActivationName{"gelu", Activation::gelu},
    ActivationName{"gelu_pytorch_tanh", Activation::gelu_tanh},
    ActivationName{"gelu_new", Activation::gelu_tanh},
};

Activation activation_from_name(const std::string& name, std::string_view where) {
  const auto* row = std::ranges::find(kActivations, name, &ActivationName::name);
  if (row == kActivations.end()) {
    fail_input(
        "{}: hidden_act '{}' is not supported; known are quick_gelu, gelu, "
        "gelu_pytorch_tanh, gelu_new",
        where, name);
  }
  return row->activation;
}

std::string_view name_of(Activation activation) {
  return std::ranges::find(kActivations, activation, &ActivationName::activation)->name;
}

/// The tower's section; the legacy `NAME_dict`, where present, overrides it key by key.
Json section(const Json& config, const std::string& name, std::string_view where) {
  Json merged = json_or<Json>(config, name.c_str(), Json::object(), where);
  const Json legacy = json_or<Json>(config, (name + "_dict").c_str(), Json::object(), where);
  if (!merged.is_object() || !legacy.is_object()) fail_input("{}: {} is no object", where, name);
  merged.update(legacy);
  return merged;
}

void read_transformer(const Json& json, TransformerConfig& config, std::string_view where) {
  config.width = json_or(json, "hidden_size", config.width, where);
  config.ffn = json_or(json, "intermediate_size", config.ffn, where);
  config.layers = json_or(json, "num_hidden_layers", config.layers, where);
  config.heads = json_or(json, "num_attention_heads", config.heads, where);
  config.epsilon = json_or(json, "layer_norm_eps", config.epsilon, where);
  config.activation =
      activation_from_name(json_or<std::string>(json, "hidden_act", "quick_gelu", where), where);
  if (std::min({config.width, config.ffn, config.layers, config.heads}) < 1 ||
      std::max({config.width, config.ffn, config.layers, config.heads}) > (1 << 20)) {
    fail_input(
        "{}: hidden_size, intermediate_size, num_hidden_layers and num_attention_heads "
        "must be positive",
        where);
  }
  if (config.width % config.heads != 0) {
    fail_input("{}: hidden_size {} is not a multiple of num_attention_heads {}", where,
               config.width, config.heads);
  }
}

TextConfig read_text(const Json& json, std::string_view where) {
  TextConfig text;
  read_transformer(json, text.transformer, where);
  text.vocabulary = json_or(json, "vocab_size", text.vocabulary, where);
  text.context = json_or(json, "max_position_embeddings", text.context, where);
  text.eos_token_id = json_or(json, "eos_token_id", text.eos_token_id, where);
  text.bos_token_id = json_or(json, "bos_token_id", text.bos_token_id, where);
  text.pad_token_id = json_or(json, "pad_token_id", text.pad_token_id, where);
  if (text.vocabulary < 1 || text.context < 1) {
    fail_input("{}: vocab_size and max_position_embeddings must be positive", where);
  }
  return text;
}

VisionConfig read_vision(const Json& json, std::string_view where) {
  VisionConfig vision;
  read_transformer(json, vision.transformer, where);
  vision.image_size = json_or(json, "image_size", vision.image_size, where);
  vision.patch = json_or(json, "patch_size", vision.patch, where);
  vision.channels = json_or(json, "num_channels", vision.channels, where);
  if (vision.patch < 1 || vision.channels < 1 || vision.image_size < vision.patch) {
    fail_input("{}: image_size {} and patch_size {} do not fit", where, vision.image_size,
               vision.patch);
  }
  return vision;
}

Json transformer_json(const TransformerConfig& config) {
  return {{"hidden_size", config.width},
          {"intermediate_size", config.ffn},
          {"num_hidden_layers", config.layers},
          {"num_attention_heads", config.heads},
          {"hidden_act", name_of(config.activation)},
          {"layer_norm_eps", config.epsilon}};
}

}  // namespace

ClipConfig ClipConfig::from_json(const Json& config, std::string_view where) {
  if (!config.is_object()) fail_input("{}: not a JSON object", where);
  const auto type = json_or<std::string>(config, "model_type", "clip", where);
  if (!type.starts_with("clip")) {
    fail_input("{}: model_type is '{}'; this program reads 'clip' checkpoints", where, type);
  }
  ClipConfig result;
  result.text =
      read_text(section(config, "text_config", where), fmt::format("{} text_config", where));
  result.vision =
      read_vision(section(config, "vision_config", where), fmt::format("{} vision_config", where));
  result.projection = json_or(config, "projection_dim", result.projection, where);
  if (result.projection < 1) fail_input("{}: projection_dim must be positive", where);
  return result;
}

Json ClipConfig::to_json(std::string_view dtype) const {
  Json text_json = transformer_json(text.transformer);
  text_json.update({{"model_type", "clip_text_model"},
                    {"vocab_size", text.vocabulary},
                    {"max_position_embeddings", text.context},
                    {"eos_token_id", text.eos_token_id},
                    {"bos_token_id", text.bos_token_id},
                    {"pad_token_id", text.pad_token_id},
                    {"projection_dim", projection}});
  Json vision_json = transformer_json(vision.transformer);
  vision_json.update({{"model_type", "clip_vision_model"},
                      {"image_size", vision.image_size},
                      {"patch_size", vision.patch},
                      {"num_channels", vision.channels},
                      {"projection_dim", projection}});
  return {{"architectures", {"CLIPModel"}},
          {"model_type", "clip"},
          {"projection_dim", projection},
          {"logit_scale_init_value", 2.6592},
          {"torch_dtype", dtype},
          {"text_config", std::move(text_json)},
          {"vision_config", std::move(vision_json)}};
}

}  // namespace octet::models
