#include "graph/patch.h"
#include "passes/match.h"
#include "passes/passes.h"
#include "tensor/codecs.h"

namespace octet::passes {
namespace {

/// Everything one octet.Linear takes over; `result` is the value it will stand for.
struct LinearParts {
  ValueId x = kNoValue;
  ValueId weight = kNoValue;
  ValueId weight_scale = kNoValue;
  ValueId bias = kNoValue;
  ValueId residual = kNoValue;
  float x_scale = 1.0F;
  float alpha = 1.0F;
  std::string activation = "none";
  float y_scale = 0.0F;
  bool quantized_output = false;
  ValueId result = kNoValue;
};

/// A constant [K, N]; E4M3 codes when a DequantizeLinear (per tensor, or per column) stands
/// between.
bool take_weight(const Graph& graph, ValueId operand, LinearParts& parts) {
  const Node* dequantize = made_by(graph, operand, "DequantizeLinear");
  parts.weight = dequantize != nullptr ? dequantize->inputs[0] : operand;
  if (!graph.is_constant(parts.weight) || graph.value(parts.weight).dims.size() != 2) return false;
  if (dequantize == nullptr) return is_float(graph.value(parts.weight).dtype);
  const ValueId scale = dequantize->inputs[1];
  if (!graph.is_constant(scale) || graph.value(parts.weight).dtype != DType::f8e4m3) return false;
  const size_t rank = graph.value(scale).dims.size();
  const bool per_column = rank == 1 && dequantize->integer("axis", 1) == 1;
  if (rank != 0 && !per_column) return false;
  parts.weight_scale = scale;
  return true;
}

/// + bias [N]
void take_bias(const Graph& graph, LinearParts& parts) {
  const Node* add = only_read_by(graph, parts.result, "Add");
  if (add == nullptr) return;
  const ValueId bias = other_input(*add, parts.result);
  if (!graph.is_constant(bias)) return;
  const Dims& dims = graph.value(bias).dims;
  if (dims.size() != 1 || dims[0] != graph.value(parts.weight).dims[1]) return;
  parts.bias = bias;
  parts.result = add->outputs[0];
}

/// * constant
void take_factor(const Graph& graph, LinearParts& parts) {
  const Node* mul = only_read_by(graph, parts.result, "Mul");
  if (mul == nullptr) return;
  const ValueId other = other_input(*mul, parts.result);
  const std::optional<float> factor = scalar_constant(graph, other);
  if (!factor || !graph.value(other).dims.empty()) return;
  parts.alpha = *factor;
  parts.result = mul->outputs[0];
}

void take_activation(const Graph& graph, LinearParts& parts) {
  if (const Node* quick = only_read_by(graph, parts.result, "QuickGelu", kOctetDomain)) {
    parts.activation = "quick_gelu";
    parts.result = quick->outputs[0];
  } else if (const Node* gelu = only_read_by(graph, parts.result, "Gelu")) {
    parts.activation = gelu->text("approximate", "none") == "tanh" ? "gelu_tanh" : "gelu";
    parts.result = gelu->outputs[0];
  }
}

/// + another computed value of the same type
void take_residual(const Graph& graph, LinearParts& parts) {
  const Node* add = only_read_by(graph, parts.result, "Add");
  if (add == nullptr) return;
  const ValueId other = other_input(*add, parts.result);
  const Value& left = graph.value(parts.result);
  const Value& right = graph.value(other);
  if (graph.is_constant(other) || left.dims != right.dims || other == parts.result) return;
  parts.residual = other;
  parts.result = add->outputs[0];
}

void take_output_quantizer(const Graph& graph, LinearParts& parts) {
  const Node* quantize = only_quantized_by(graph, parts.result);
  if (quantize == nullptr) return;
  parts.y_scale = *tensor_scale(graph, *quantize);
  parts.quantized_output = true;
  parts.result = quantize->outputs[0];
}

std::optional<LinearParts> match(const Graph& graph, const Node& product) {
  LinearParts parts;
  if (!product.is("MatMul") || !take_weight(graph, product.inputs[1], parts)) return std::nullopt;
  const Dequantized x = through_dequantize(graph, product.inputs[0]);
  parts.x = x.value;
  parts.x_scale = x.scale;
  parts.result = product.outputs[0];
  take_bias(graph, parts);
  take_factor(graph, parts);
  take_activation(graph, parts);
  take_residual(graph, parts);
  take_output_quantizer(graph, parts);
  return parts;
}

Attributes attributes_of(const Graph& graph, const Node& product, const LinearParts& parts) {
  Attributes attributes{
      {"x_scale", parts.x_scale},
      {"alpha", parts.alpha},
      {"activation", parts.activation},
      {"out_dtype", std::string(octet::name_of(graph.value(parts.result).dtype))}};
  if (parts.quantized_output) attributes["y_scale"] = parts.y_scale;
  keep_steps(graph, product.outputs[0], attributes);
  return attributes;
}

void rewrite(Graph& graph, const Node& product, LinearParts parts) {
  const Value& value = graph.value(parts.result);
  Patch patch(graph);
  const ValueId fused = patch.add_value(value.name + "/fused", value.dtype, value.dims);
  if (parts.weight_scale != kNoValue) {
    const Value& scale = graph.value(parts.weight_scale);
    parts.weight_scale = patch.add_constant(scale.name, convert(*scale.constant, DType::f32));
  }
  patch.add_node({product.name,
                  std::string(kOctetDomain),
                  "Linear",
                  {parts.x, parts.weight, parts.weight_scale, parts.bias, parts.residual},
                  {fused},
                  attributes_of(graph, product, parts)});
  patch.remove_node(id_of(graph, product));
  patch.replace(parts.result, fused);
  patch.apply();
}

}  // namespace

/// MatMul with a constant weight, and what stands directly behind it: bias, factor, activation,
/// residual, quantizer → octet.Linear. Quantizers of its operands become its scales.
bool fuse_linear(Graph& graph) {
  bool changed = false;
  for (const NodeId id : std::vector<NodeId>(graph.order())) {
    if (!graph.is_live(id)) continue;
    const Node product = graph.node(id);
    if (auto parts = match(graph, product)) {
      rewrite(graph, product, std::move(*parts));
      changed = true;
    }
  }
  return changed;
}

}  // namespace octet::passes
