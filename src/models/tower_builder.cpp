#include "models/tower_builder.h"

#include <cmath>

#include "base/error.h"
#include "tensor/codecs.h"
#include "tensor/layout.h"

namespace octet::models {

ValueId TowerBuilder::node(std::string_view op, const std::string& name,
                           std::vector<ValueId> inputs, Attributes attributes) {
  const ValueId output = graph_.add_value(name, precision_);
  graph_.add_node({name, "", std::string(op), std::move(inputs), {output}, std::move(attributes)});
  return output;
}

ValueId TowerBuilder::parameter(const std::string& name) {
  const Tensor& stored = model_.tensor(name);
  if (!all_finite(stored)) fail_input("tensor '{}' holds NaN or infinity", name);
  return constant(name, stored);
}

ValueId TowerBuilder::constant(const std::string& name, const Tensor& tensor) {
  return graph_.add_constant(name, convert(tensor, precision_));
}

ValueId TowerBuilder::integers(const std::string& name, const std::vector<int64_t>& values) {
  if (const auto found = graph_.find_value(name)) return *found;
  return graph_.add_constant(name,
                             Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
}

ValueId TowerBuilder::number(const std::string& name, float value) {
  if (const auto found = graph_.find_value(name)) return *found;
  return constant(name, Tensor::scalar(value));
}

ValueId TowerBuilder::weight(const std::string& module) {
  return weight_constant(module, transpose_2d(model_.tensor(module + ".weight")), 1);
}

ValueId TowerBuilder::convolution_weight(const std::string& module) {
  return weight_constant(module, model_.tensor(module + ".weight"), 0);
}

ValueId TowerBuilder::weight_constant(const std::string& module, const Tensor& weight,
                                      int64_t channel_axis) {
  const std::string name = module + ".weight";
  if (!all_finite(weight)) fail_input("tensor '{}' holds NaN or infinity", name);
  if (weight.dtype() != DType::f8e4m3) return constant(name, weight);
  const std::string quantizer = module + ".weight_quantizer";
  const auto& quantization = model_.checkpoint().quantization;
  check(quantization && quantization->quantizers.contains(quantizer), "no scale for '{}'", name);
  const Tensor& scale = quantization->quantizers.at(quantizer).scale;
  Attributes attributes;
  if (scale.rank() == 1) attributes["axis"] = channel_axis;
  return node("DequantizeLinear", quantizer,
              {graph_.add_constant(name, weight), constant(module + ".weight_scale", scale)},
              std::move(attributes));
}

ValueId TowerBuilder::linear(const std::string& module, ValueId x, const std::string& output) {
  const bool has_bias = model_.has_tensor(module + ".bias");
  const ValueId result = graph_.add_value(output.empty() ? module : output, precision_);
  const ValueId product = has_bias ? graph_.add_value(module + "/product", precision_) : result;
  graph_.add_node({module, "", "MatMul", {x, weight(module)}, {product}, {}});
  if (has_bias) {
    const ValueId bias = parameter(module + ".bias");
    graph_.add_node({module + "/bias", "", "Add", {product, bias}, {result}, {}});
  }
  return result;
}

ValueId TowerBuilder::layer_norm(const std::string& module, ValueId x, float epsilon) {
  return node("LayerNormalization", module,
              {x, parameter(module + ".weight"), parameter(module + ".bias")},
              {{"axis", int64_t{-1}}, {"epsilon", epsilon}});
}

ValueId TowerBuilder::split_heads(const std::string& name, const TransformerConfig& config,
                                  ValueId x, const std::vector<int64_t>& permutation) {
  const ValueId shape = integers("split_heads", {0, 0, config.heads, config.head_dim()});
  const ValueId heads = node("Reshape", name + "/split", {x, shape});
  return node("Transpose", name + "/heads", {heads}, {{"perm", permutation}});
}

ValueId TowerBuilder::attention(const std::string& module, const TransformerConfig& config,
                                ValueId x, ValueId mask) {
  const float factor = 1.0F / std::sqrt(static_cast<float>(config.head_dim()));
  const ValueId scaled = node("Mul", module + "/scale",
                              {linear(module + ".q_proj", x), number("attention_scale", factor)});
  const ValueId q = split_heads(module + "/q", config, scaled, {0, 2, 1, 3});
  const ValueId k = split_heads(module + "/k", config, linear(module + ".k_proj", x), {0, 2, 3, 1});
  const ValueId v = split_heads(module + "/v", config, linear(module + ".v_proj", x), {0, 2, 1, 3});
  ValueId scores = node("MatMul", module + "/scores", {q, k});
  if (mask != kNoValue) scores = node("Add", module + "/mask", {scores, mask});
  const ValueId probabilities =
      node("Softmax", module + "/softmax", {scores}, {{"axis", int64_t{-1}}});
  const ValueId mixed = node("MatMul", module + "/values", {probabilities, v});
  const ValueId rows =
      node("Transpose", module + "/rows", {mixed}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  const ValueId merged =
      node("Reshape", module + "/merge", {rows, integers("merge_heads", {0, 0, config.width})});
  return linear(module + ".out_proj", merged);
}

ValueId TowerBuilder::activation(const std::string& name, Activation kind, ValueId x) {
  if (kind == Activation::quick_gelu) {
    const ValueId inner = node("Mul", name + "/scale", {x, number("quick_gelu_factor", 1.702F)});
    return node("Mul", name, {x, node("Sigmoid", name + "/sigmoid", {inner})});
  }
  const std::string approximate = kind == Activation::gelu_tanh ? "tanh" : "none";
  return node("Gelu", name, {x}, {{"approximate", approximate}});
}

ValueId TowerBuilder::block(const std::string& prefix, const TransformerConfig& config, ValueId x,
                            ValueId mask) {
  const ValueId normed = layer_norm(prefix + ".layer_norm1", x, config.epsilon);
  const ValueId mixed = attention(prefix + ".self_attn", config, normed, mask);
  const ValueId middle = node("Add", prefix + ".self_attn/residual", {x, mixed});
  const ValueId normed2 = layer_norm(prefix + ".layer_norm2", middle, config.epsilon);
  const ValueId hidden = linear(prefix + ".mlp.fc1", normed2);
  const ValueId active = activation(prefix + ".mlp.activation_fn", config.activation, hidden);
  return node("Add", prefix, {middle, linear(prefix + ".mlp.fc2", active)});
}

ValueId TowerBuilder::encoder(const std::string& prefix, const TransformerConfig& config, ValueId x,
                              ValueId mask) {
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    x = block(fmt::format("{}.encoder.layers.{}", prefix, layer), config, x, mask);
  }
  return x;
}

}  // namespace octet::models
