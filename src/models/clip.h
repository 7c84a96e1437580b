#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "graph/graph.h"
#include "models/clip_config.h"

namespace octet::models {

enum class Tower : uint8_t { text, image };

/// "text" or "image".
std::string_view name_of(Tower tower);

/// The dtype of a graph's arithmetic: f16 (what is exported and deployed) or f32 (comparison with
/// references).
struct BuildOptions {
  DType precision = DType::f16;
};

/// A CLIP checkpoint whose tensors have been checked against its configuration. Immutable.
class ClipModel {
 public:
  /// Checks names and shapes; unexpected tensors are logged as warnings. Prefixes such as
  /// "module." are accepted, as are files that hold one tower. Throws `Error(bad_input)` naming
  /// the tensor that is missing or has the wrong shape.
  explicit ClipModel(checkpoint::Checkpoint checkpoint);

  [[nodiscard]] const ClipConfig& config() const { return config_; }
  [[nodiscard]] const checkpoint::Checkpoint& checkpoint() const { return checkpoint_; }
  [[nodiscard]] bool has(Tower tower) const;
  /// What stands in front of the canonical tensor names in this checkpoint; mostly nothing.
  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  /// exp of the stored log scale; 100 when the checkpoint has none.
  [[nodiscard]] float logit_scale() const;

  /// The tower as a graph in ONNX vocabulary, exact to the reference implementation:
  ///   text:  text_input i64 [batch, context] → text_features [batch, projection]
  ///   image: image_input [batch, channels, size, size] → image_features [batch, projection]
  /// projected, not normalised. Node names are module paths; the residual stream after block N is
  /// the value "TOWER.encoder.layers.N". FP8 weights stay FP8 behind a DequantizeLinear.
  /// Activation quantizers are not part of it (quant inserts them).
  [[nodiscard]] Graph build(Tower tower, const BuildOptions& options) const;

  /// A model tensor by its canonical Hugging Face name; throws `Error(bad_input)` when missing.
  [[nodiscard]] const Tensor& tensor(const std::string& name) const;
  [[nodiscard]] bool has_tensor(const std::string& name) const;

 private:
  void check_tensor(const std::string& name, const Shape& shape) const;
  void check_transformer(const std::string& prefix, const TransformerConfig& config) const;
  void warn_unexpected() const;

  checkpoint::Checkpoint checkpoint_;
  ClipConfig config_;
  std::string prefix_;  ///< in front of every tensor name of this file
};

/// Names of the residual-stream values after each block, in order.
std::vector<std::string> block_outputs(const Graph& graph);

}  // namespace octet::models
