#include "models/clip.h"

#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "models/tower_builder.h"
#include "ops/ops.h"
#include "tensor/codecs.h"

namespace octet::models {
namespace {

constexpr std::string_view kTokenTable = "text_model.embeddings.token_embedding.weight";
constexpr std::string_view kPatchWeight = "vision_model.embeddings.patch_embedding.weight";

/// What stands in front of the canonical tensor names in this file.
std::string find_prefix(const checkpoint::NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    for (const std::string_view ending : {kTokenTable, kPatchWeight}) {
      if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
    }
  }
  fail_input("the checkpoint has neither '{}' nor '{}': not a Hugging Face CLIP", kTokenTable,
             kPatchWeight);
}

std::vector<std::string> transformer_parameters(const std::string& prefix, int64_t layers) {
  std::vector<std::string> names;
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (const char* module :
         {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj",
          "mlp.fc1", "mlp.fc2", "layer_norm1", "layer_norm2"}) {
      for (const char* kind : {"weight", "bias"}) {
        names.push_back(fmt::format("{}.encoder.layers.{}.{}.{}", prefix, layer, module, kind));
      }
    }
  }
  return names;
}

/// Row i may look at columns 0..i: zero there, minus infinity elsewhere. [1, 1, s, s]
Tensor causal_mask(int64_t size) {
  Tensor mask(DType::f32, {1, 1, size, size});
  const auto values = mask.mutable_values<float>();
  for (int64_t row = 0; row < size; ++row) {
    for (int64_t column = row + 1; column < size; ++column) {
      values[static_cast<size_t>(row * size + column)] = -std::numeric_limits<float>::infinity();
    }
  }
  return mask;
}

/// Position of the pooled token, [batch, 1]: the first maximum id, or the first id equal to `eos`.
ValueId eos_position(TowerBuilder& build, Graph& graph, ValueId ids, int64_t eos) {
  ValueId searched = ids;
  if (eos != 2) {
    const ValueId wanted = graph.add_constant("eos_token_id", Tensor::scalar<int64_t>(eos));
    searched = build.node("Equal", "text_model/pooling/is_eos", {ids, wanted});
  }
  // ONNX Runtime has ArgMax for 32-bit integers only.
  const ValueId narrow =
      build.node("Cast", "text_model/pooling/cast", {searched}, {{"to", onnx_code_of(DType::i32)}});
  return build.node("ArgMax", "text_model/pooling/position", {narrow},
                    {{"axis", int64_t{1}}, {"keepdims", int64_t{1}}});
}

/// Row 0 of [rows, width] plus `first` [width]; the other rows unchanged. FP32.
Tensor add_to_first_row(const Tensor& table, const Tensor& first) {
  Tensor sum = convert(table, DType::f32).clone();
  const Tensor addend = convert(first, DType::f32);
  const auto values = sum.mutable_values<float>();
  const auto added = addend.values<float>();
  for (size_t i = 0; i < added.size(); ++i) values[i] += added[i];
  return sum;
}

Graph build_text(const ClipModel& model, DType precision) {
  const TextConfig& config = model.config().text;
  Graph graph("text");
  TowerBuilder build(model, graph, precision);
  const ValueId ids = graph.add_input("text_input", DType::i64, {"batch", config.context});
  const ValueId tokens =
      build.node("Gather", "text_model.embeddings.token_embedding",
                 {build.parameter(std::string(kTokenTable)), ids}, {{"axis", int64_t{0}}});
  const ValueId embedded =
      build.node("Add", "text_model.embeddings",
                 {tokens, build.parameter("text_model.embeddings.position_embedding.weight")});
  const ValueId mask = build.constant("causal_mask", causal_mask(config.context));
  const ValueId encoded = build.encoder("text_model", config.transformer, embedded, mask);
  const ValueId normed =
      build.layer_norm("text_model.final_layer_norm", encoded, config.transformer.epsilon);
  const ValueId position = eos_position(build, graph, ids, config.eos_token_id);
  const ValueId pooled =
      build.node("GatherND", "text_model/pooled", {normed, position}, {{"batch_dims", int64_t{1}}});
  graph.set_outputs({build.linear("text_projection", pooled, "text_features")});
  return graph;
}

Graph build_image(const ClipModel& model, DType precision) {
  const VisionConfig& config = model.config().vision;
  const std::string embeddings = "vision_model.embeddings";
  Graph graph("image");
  TowerBuilder build(model, graph, precision);
  const ValueId pixels = graph.add_input(
      "image_input", precision, {"batch", config.channels, config.image_size, config.image_size});
  const std::vector<int64_t> patch{config.patch, config.patch};
  const ValueId grid =
      build.node("Conv", embeddings + ".patch_embedding",
                 {pixels, build.convolution_weight(embeddings + ".patch_embedding")},
                 {{"kernel_shape", patch}, {"strides", patch}});
  const ValueId flat =
      build.node("Reshape", embeddings + "/flatten",
                 {grid, build.integers("flatten_grid", {0, config.transformer.width, -1})});
  const ValueId rows = build.node("Transpose", embeddings + "/rows", {flat},
                                  {{"perm", std::vector<int64_t>{0, 2, 1}}});
  // The class token: a zero row in front, to which the first row of the position table (with the
  // class embedding added) is added. Exact, and free of shape arithmetic on the batch.
  const ValueId padded = build.node(
      "Pad", embeddings + "/class_row",
      {rows, build.integers("pad_first_row", {0, 1, 0, 0, 0, 0}), build.number("zero", 0.0F)});
  const Tensor positions = add_to_first_row(model.tensor(embeddings + ".position_embedding.weight"),
                                            model.tensor(embeddings + ".class_embedding"));
  const ValueId embedded = build.node(
      "Add", embeddings, {padded, build.constant(embeddings + ".position_and_class", positions)});
  const float epsilon = config.transformer.epsilon;
  const ValueId normed = build.layer_norm("vision_model.pre_layrnorm", embedded, epsilon);
  const ValueId encoded = build.encoder("vision_model", config.transformer, normed, kNoValue);
  const ValueId first = graph.add_constant("first_row", Tensor::scalar<int64_t>(0));
  const ValueId pooled =
      build.node("Gather", "vision_model/pooled", {encoded, first}, {{"axis", int64_t{1}}});
  const ValueId post = build.layer_norm("vision_model.post_layernorm", pooled, epsilon);
  graph.set_outputs({build.linear("visual_projection", post, "image_features")});
  return graph;
}

}  // namespace

std::string_view name_of(Tower tower) {
  return tower == Tower::text ? "text" : "image";
}

ClipModel::ClipModel(checkpoint::Checkpoint checkpoint)
    : checkpoint_(std::move(checkpoint)),
      config_(
          ClipConfig::from_json(checkpoint_.config, (checkpoint_.folder / "config.json").string())),
      prefix_(find_prefix(checkpoint_.tensors)) {
  if (has(Tower::text)) {
    const TextConfig& text = config_.text;
    check_tensor(std::string(kTokenTable), {text.vocabulary, text.transformer.width});
    check_tensor("text_model.embeddings.position_embedding.weight",
                 {text.context, text.transformer.width});
    check_transformer("text_model", text.transformer);
    check_tensor("text_model.final_layer_norm.weight", {text.transformer.width});
    check_tensor("text_model.final_layer_norm.bias", {text.transformer.width});
    check_tensor("text_projection.weight", {config_.projection, text.transformer.width});
  }
  if (has(Tower::image)) {
    const VisionConfig& vision = config_.vision;
    const int64_t width = vision.transformer.width;
    check_tensor(std::string(kPatchWeight), {width, vision.channels, vision.patch, vision.patch});
    check_tensor("vision_model.embeddings.class_embedding", {width});
    check_tensor("vision_model.embeddings.position_embedding.weight",
                 {vision.patches() + 1, width});
    for (const char* norm : {"pre_layrnorm", "post_layernorm"}) {
      check_tensor(fmt::format("vision_model.{}.weight", norm), {width});
      check_tensor(fmt::format("vision_model.{}.bias", norm), {width});
    }
    check_transformer("vision_model", vision.transformer);
    check_tensor("visual_projection.weight", {config_.projection, width});
  }
  warn_unexpected();
}

bool ClipModel::has(Tower tower) const {
  return has_tensor(std::string(tower == Tower::text ? kTokenTable : kPatchWeight));
}

bool ClipModel::has_tensor(const std::string& name) const {
  return checkpoint_.tensors.contains(prefix_ + name);
}

const Tensor& ClipModel::tensor(const std::string& name) const {
  const auto found = checkpoint_.tensors.find(prefix_ + name);
  if (found == checkpoint_.tensors.end()) {
    fail_input("'{}' has no tensor '{}'", checkpoint_.folder.string(), prefix_ + name);
  }
  return found->second;
}

void ClipModel::check_tensor(const std::string& name, const Shape& shape) const {
  const Tensor& found = tensor(name);
  if (found.shape() != shape) {
    fail_input("tensor '{}' has shape {}, but config.json asks for {}", prefix_ + name,
               to_string(found.shape()), to_string(shape));
  }
  if (!is_float(found.dtype())) {
    fail_input("tensor '{}' is {}; floating point was expected", prefix_ + name,
               octet::name_of(found.dtype()));
  }
}

void ClipModel::check_transformer(const std::string& prefix,
                                  const TransformerConfig& config) const {
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string block = fmt::format("{}.encoder.layers.{}.", prefix, layer);
    for (const char* norm : {"layer_norm1", "layer_norm2"}) {
      check_tensor(block + norm + ".weight", {config.width});
      check_tensor(block + norm + ".bias", {config.width});
    }
    for (const char* projection : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      check_tensor(block + "self_attn." + projection + ".weight", {config.width, config.width});
      check_tensor(block + "self_attn." + projection + ".bias", {config.width});
    }
    check_tensor(block + "mlp.fc1.weight", {config.ffn, config.width});
    check_tensor(block + "mlp.fc1.bias", {config.ffn});
    check_tensor(block + "mlp.fc2.weight", {config.width, config.ffn});
    check_tensor(block + "mlp.fc2.bias", {config.width});
  }
}

void ClipModel::warn_unexpected() const {
  std::set<std::string> known{
      std::string(kTokenTable), std::string(kPatchWeight), "logit_scale",
      "text_model.embeddings.position_embedding.weight", "text_model.final_layer_norm.weight",
      "text_model.final_layer_norm.bias", "text_projection.weight", "visual_projection.weight",
      "vision_model.embeddings.class_embedding",
      "vision_model.embeddings.position_embedding.weight", "vision_model.pre_layrnorm.weight",
      "vision_model.pre_layrnorm.bias", "vision_model.post_layernorm.weight",
      "vision_model.post_layernorm.bias",
      // Buffers that old versions of transformers stored.
      "text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"};
  known.merge([&] {
    auto text = transformer_parameters("text_model", config_.text.transformer.layers);
    const auto vision = transformer_parameters("vision_model", config_.vision.transformer.layers);
    text.insert(text.end(), vision.begin(), vision.end());
    return std::set<std::string>(text.begin(), text.end());
  }());
  for (const auto& [name, tensor] : checkpoint_.tensors) {
    if (!name.starts_with(prefix_) || !known.contains(name.substr(prefix_.size()))) {
      log_warning("'{}': tensor '{}' is not part of a CLIP model and is ignored",
                  checkpoint_.folder.string(), name);
    }
  }
}

float ClipModel::logit_scale() const {
  return has_tensor("logit_scale") ? std::exp(element_as_f32(tensor("logit_scale"), 0)) : 100.0F;
}

Graph ClipModel::build(Tower tower, const BuildOptions& options) const {
  if (!has(tower)) {
    fail_input("'{}' has no {} tower", checkpoint_.folder.string(), name_of(tower));
  }
  Graph graph = tower == Tower::text ? build_text(*this, options.precision)
                                     : build_image(*this, options.precision);
  infer_types(graph);
  graph.verify();
  return graph;
}

std::vector<std::string> block_outputs(const Graph& graph) {
  constexpr std::string_view kLayers = ".encoder.layers.";
  std::vector<std::string> names;
  for (const NodeId node : graph.order()) {
    for (const ValueId output : graph.node(node).outputs) {
      const std::string& name = graph.value(output).name;
      const size_t layers = name.find(kLayers);
      const bool is_block =
          layers != std::string::npos &&
          name.find_first_not_of("0123456789", layers + kLayers.size()) == std::string::npos;
      if (is_block) names.push_back(name);
    }
  }
  return names;
}

}  // namespace octet::models
