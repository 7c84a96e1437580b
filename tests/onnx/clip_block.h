#pragma once

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "ops/ops.h"
#include "tensor/codecs.h"

namespace octet::onnx {

/// A small CLIP text tower with one quantized encoder block, as the model builder and the
/// quantizer leave it: FP8 weights behind DequantizeLinear (out_proj's per channel), Q/DQ on every
/// product's operands, a causal mask, ids in, pooled features out, the batch symbolic.
class ClipBlock {
 public:
  static Graph make() {
    ClipBlock block;
    block.tower();
    infer_types(block.graph_);
    return std::move(block.graph_);
  }

 private:
  static constexpr int64_t kTokens = 7;
  static constexpr int64_t kWidth = 32;
  static constexpr int64_t kHeads = 2;
  static constexpr int64_t kVocabulary = 50;

  ValueId constant(const std::string& name, const Shape& shape, DType dtype = DType::f16) {
    Tensor tensor(DType::f32, shape);
    std::normal_distribution<float> normal(0.0F, 0.5F);
    for (float& value : tensor.mutable_values<float>()) value = normal(random_);
    return graph_.add_constant(name, convert(tensor, dtype));
  }
  ValueId scalar(const std::string& name, float value) {
    return graph_.add_constant(name, convert(Tensor::scalar(value), DType::f16));
  }
  ValueId integers(const std::string& name, const std::vector<int64_t>& values) {
    const auto count = static_cast<int64_t>(values.size());
    return graph_.add_constant(name, Tensor::from<int64_t>({count}, std::span(values)));
  }
  ValueId op(const std::string& op, const std::string& name, std::vector<ValueId> inputs,
             Attributes attributes = {}) {
    const ValueId output = graph_.add_value(name + "/out");
    graph_.add_node({name, "", op, std::move(inputs), {output}, std::move(attributes)});
    return output;
  }
  ValueId quantized(const std::string& name, ValueId x, float scale) {
    const ValueId s = scalar(name + "/scale", scale);
    const ValueId zero = graph_.add_constant(name + "/zero", Tensor(DType::f8e4m3, {}));
    const ValueId codes = op("QuantizeLinear", name + "/q", {x, s, zero});
    return op("DequantizeLinear", name + "/dq", {codes, s, zero});
  }
  ValueId weight(const std::string& name, int64_t rows, int64_t columns, bool per_channel) {
    const ValueId codes = constant(name + ".weight", {rows, columns}, DType::f8e4m3);
    if (!per_channel) {
      return op("DequantizeLinear", name + "/dq_weight", {codes, scalar(name + ".scale", 0.01F)});
    }
    Tensor steps(DType::f32, {columns});
    for (float& step : steps.mutable_values<float>()) step = 0.01F + 0.01F * uniform_(random_);
    const ValueId scales = graph_.add_constant(name + ".scales", convert(steps, DType::f16));
    return op("DequantizeLinear", name + "/dq_weight", {codes, scales}, {{"axis", int64_t{1}}});
  }
  ValueId linear(const std::string& name, ValueId x, int64_t rows, int64_t columns,
                 bool per_channel = false) {
    const ValueId product =
        op("MatMul", name + "/MatMul", {x, weight(name, rows, columns, per_channel)});
    return op("Add", name + "/Add", {product, constant(name + ".bias", {columns})});
  }
  ValueId norm(const std::string& name, ValueId x) {
    return op("LayerNormalization", name,
              {x, constant(name + ".weight", {kWidth}), constant(name + ".bias", {kWidth})},
              {{"axis", int64_t{-1}}, {"epsilon", 1e-5F}});
  }
  ValueId heads(const std::string& name, ValueId x, std::vector<int64_t> order) {
    const ValueId shape = integers(name + "/heads", {0, kTokens, kHeads, kWidth / kHeads});
    const ValueId split = op("Reshape", name + "/split", {x, shape});
    return op("Transpose", name + "/transpose", {split}, {{"perm", std::move(order)}});
  }

  ValueId mask() {
    Tensor tensor(DType::f32, {1, 1, kTokens, kTokens});
    auto values = tensor.mutable_values<float>();
    for (int64_t row = 0; row < kTokens; ++row) {
      for (int64_t column = row + 1; column < kTokens; ++column) {
        values[static_cast<size_t>(row * kTokens + column)] =
            -std::numeric_limits<float>::infinity();
      }
    }
    return graph_.add_constant("causal_mask", convert(tensor, DType::f16));
  }

  ValueId attention(ValueId x) {
    const ValueId input = quantized("attn/input", x, 0.02F);
    ValueId q = linear("attn.q_proj", input, kWidth, kWidth);
    q = op("Mul", "attn/scale_q", {q, scalar("attn.factor", 0.25F)});
    q = quantized("attn/q", heads("attn/q", q, {0, 2, 1, 3}), 0.01F);
    const ValueId k = quantized(
        "attn/k", heads("attn/k", linear("attn.k_proj", input, kWidth, kWidth), {0, 2, 3, 1}),
        0.01F);
    const ValueId v = quantized(
        "attn/v", heads("attn/v", linear("attn.v_proj", input, kWidth, kWidth), {0, 2, 1, 3}),
        0.01F);
    ValueId scores = op("Add", "attn/masked", {op("MatMul", "attn/scores", {q, k}), mask()});
    scores = op("Softmax", "attn/softmax", {scores}, {{"axis", int64_t{-1}}});
    scores = quantized("attn/probabilities", scores, 1.0F / 448.0F);
    ValueId y = op("MatMul", "attn/context", {scores, v});
    y = op("Transpose", "attn/merge", {y}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
    y = op("Reshape", "attn/flat", {y, integers("attn/flat_shape", {0, kTokens, kWidth})});
    return linear("attn.out_proj", quantized("attn/output", y, 0.02F), kWidth, kWidth, true);
  }

  ValueId mlp(ValueId x) {
    const ValueId hidden = linear("mlp.fc1", quantized("mlp/input", x, 0.02F), kWidth, 4 * kWidth);
    ValueId gate = op("Mul", "mlp/times", {hidden, scalar("mlp.factor", 1.702F)});
    gate = op("Sigmoid", "mlp/sigmoid", {gate});
    const ValueId activated = op("Mul", "mlp/gelu", {hidden, gate});
    return linear("mlp.fc2", quantized("mlp/hidden", activated, 0.02F), 4 * kWidth, kWidth);
  }

  void tower() {
    const ValueId ids = graph_.add_input("input_ids", DType::i64, {"batch", kTokens});
    ValueId x = op("Gather", "embed", {constant("token", {kVocabulary, kWidth}), ids});
    x = op("Add", "position", {x, constant("position.weight", {kTokens, kWidth})});
    x = op("Add", "residual1", {x, attention(norm("norm1", x))});
    x = op("Add", "residual2", {x, mlp(norm("norm2", x))});
    const ValueId last =
        op("ArgMax", "eos", {ids}, {{"axis", int64_t{1}}, {"keepdims", int64_t{1}}});
    x = op("GatherND", "pool", {norm("final", x), last}, {{"batch_dims", int64_t{1}}});
    graph_.set_outputs({op("MatMul", "project", {x, constant("projection", {kWidth, 16})})});
  }

  Graph graph_{"text"};
  std::mt19937 random_{7};
  std::uniform_real_distribution<float> uniform_{0.0F, 1.0F};
};

}  // namespace octet::onnx
