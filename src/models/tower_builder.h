#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "models/clip.h"

namespace octet::models {

/// Appends the pieces of a transformer tower to a Graph, in ONNX vocabulary. Every piece is named
/// after its module; the value a module produces carries the module's name.
class TowerBuilder {
 public:
  TowerBuilder(const ClipModel& model, Graph& graph, DType precision)
      : model_(model), graph_(graph), precision_(precision) {}

  /// x [..., in] → [..., out], with bias when the module has one. The weight is stored transposed,
  /// [in, out]. The result is named `output`, or after the module when that is empty.
  ValueId linear(const std::string& module, ValueId x, const std::string& output = "");
  ValueId layer_norm(const std::string& module, ValueId x, float epsilon);
  /// Pre-norm transformer: x [batch, s, width] → [batch, s, width]. With `mask` [1, 1, s, s] added
  /// to the scores.
  ValueId encoder(const std::string& prefix, const TransformerConfig& config, ValueId x,
                  ValueId mask);

  /// One node with one output; the output value is named like the node.
  ValueId node(std::string_view op, const std::string& name, std::vector<ValueId> inputs,
               Attributes attributes = {});
  /// [out, in, height, width] as stored.
  ValueId convolution_weight(const std::string& module);
  /// A model tensor in the graph's precision.
  ValueId parameter(const std::string& name);
  ValueId constant(const std::string& name, const Tensor& tensor);
  ValueId integers(const std::string& name, const std::vector<int64_t>& values);
  ValueId number(const std::string& name, float value);

 private:
  ValueId weight(const std::string& module);
  /// In the graph's precision; E4M3 codes stay, behind a DequantizeLinear.
  ValueId weight_constant(const std::string& module, const Tensor& weight, int64_t channel_axis);
  ValueId attention(const std::string& module, const TransformerConfig& config, ValueId x,
                    ValueId mask);
  ValueId split_heads(const std::string& name, const TransformerConfig& config, ValueId x,
                      const std::vector<int64_t>& permutation);
  ValueId activation(const std::string& name, Activation kind, ValueId x);
  ValueId block(const std::string& prefix, const TransformerConfig& config, ValueId x,
                ValueId mask);

  const ClipModel& model_;
  Graph& graph_;
  DType precision_;
};

}  // namespace octet::models
