#include "models/create.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/threads.h"
#include "checkpoint/save.h"
#include "data/tokenizer_files.h"
#include "tensor/codecs.h"

namespace octet::models {
namespace {

struct Architecture {
  std::string_view name;
  int64_t patch;
  int64_t image_size;
  TransformerConfig vision;
  TransformerConfig text;
  int64_t projection;
};

constexpr Activation kQuick = Activation::quick_gelu;
constexpr Activation kGelu = Activation::gelu;
constexpr float kEpsilon = 1e-5F;

const std::array kArchitectures{
    Architecture{"ViT-B-32",
                 32,
                 224,
                 {768, 12, 12, 3072, kQuick, kEpsilon},
                 {512, 12, 8, 2048, kQuick, kEpsilon},
                 512},
    Architecture{"ViT-B-16",
                 16,
                 224,
                 {768, 12, 12, 3072, kQuick, kEpsilon},
                 {512, 12, 8, 2048, kQuick, kEpsilon},
                 512},
    Architecture{"ViT-L-14",
                 14,
                 224,
                 {1024, 24, 16, 4096, kQuick, kEpsilon},
                 {768, 12, 12, 3072, kQuick, kEpsilon},
                 768},
    Architecture{"ViT-L-14-336",
                 14,
                 336,
                 {1024, 24, 16, 4096, kQuick, kEpsilon},
                 {768, 12, 12, 3072, kQuick, kEpsilon},
                 768},
    Architecture{"ViT-H-14",
                 14,
                 224,
                 {1280, 32, 16, 5120, kGelu, kEpsilon},
                 {1024, 24, 16, 4096, kGelu, kEpsilon},
                 1024},
    Architecture{"ViT-g-14",
                 14,
                 224,
                 {1408, 40, 16, 6144, kGelu, kEpsilon},
                 {1024, 24, 16, 4096, kGelu, kEpsilon},
                 1024},
    Architecture{"ViT-bigG-14",
                 14,
                 224,
                 {1664, 48, 16, 8192, kGelu, kEpsilon},
                 {1280, 32, 20, 5120, kGelu, kEpsilon},
                 1280},
};

/// SplitMix64 of a counter: any element of the stream without the ones before it.
uint64_t random_bits(uint64_t key, uint64_t counter) {
  uint64_t z = key + (counter + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

/// Sum of eight 16-bit uniforms: normal to four standard deviations, and the same on every machine
/// because no library function is involved.
float random_normal(uint64_t key, uint64_t counter) {
  int64_t sum = 0;
  for (uint64_t half = 0; half < 2; ++half) {
    const uint64_t bits = random_bits(key, counter * 2 + half);
    for (int shift = 0; shift < 64; shift += 16) {
      sum += static_cast<int64_t>((bits >> shift) & 0xFFFFU);
    }
  }
  constexpr float kMean = 8 * 32767.5F;
  constexpr float kDeviation = 53510.3F;  // sqrt(8 * (65536^2 - 1) / 12)
  return (static_cast<float>(sum) - kMean) / kDeviation;
}

/// Mean and standard deviation of a tensor's elements.
struct Distribution {
  float mean = 0.0F;
  float deviation = 0.0F;
};

/// CLIP's initialisation: attention width^-0.5 (2 layers)^-0.5, products (2 width)^-0.5,
/// projections width^-0.5, embeddings 0.02 and 0.01.
Distribution distribution_of(const std::string& name, const Shape& shape,
                             const ClipConfig& config) {
  const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
  if (name == "logit_scale") return {2.6592F, 0.0F};
  if (name.find("norm") != std::string::npos) return {ends(".weight") ? 1.0F : 0.0F, 0.05F};
  if (ends(".bias")) return {0.0F, 0.02F};
  if (ends("token_embedding.weight")) return {0.0F, 0.02F};
  if (ends("position_embedding.weight")) return {0.0F, 0.01F};
  if (ends("class_embedding")) return {0.0F, 1.0F / std::sqrt(static_cast<float>(shape[0]))};
  if (ends("patch_embedding.weight")) return {0.0F, 0.02F};
  const auto inputs = static_cast<float>(shape[1]);
  const bool text = name.starts_with("text_model");
  const auto layers =
      static_cast<float>(text ? config.text.transformer.layers : config.vision.transformer.layers);
  if (ends("out_proj.weight") || ends("fc2.weight")) {
    return {0.0F, 1.0F / std::sqrt(inputs * 2.0F * layers)};
  }
  return {0.0F, 1.0F / std::sqrt(inputs)};
}

Tensor random_tensor(const checkpoint::TensorInfo& info, const ClipConfig& config, uint64_t seed) {
  const uint64_t key = hash128(std::as_bytes(std::span(info.name))).low ^ random_bits(seed, 0);
  const Distribution distribution = distribution_of(info.name, info.shape, config);
  Tensor tensor(info.dtype, info.shape);
  const size_t element = size_of(info.dtype);
  const std::span<std::byte> bytes = tensor.mutable_bytes();
  constexpr int64_t kBlock = 4096;
  parallel_for(tensor.count(), kBlock, [&](int64_t begin, int64_t end) {
    std::array<float, kBlock> values{};
    for (int64_t block = begin; block < end; block += kBlock) {
      const auto count = static_cast<size_t>(std::min(kBlock, end - block));
      for (size_t i = 0; i < count; ++i) {
        values[i] = distribution.mean +
                    distribution.deviation * random_normal(key, static_cast<uint64_t>(block) + i);
      }
      convert_from_f32(info.dtype, {values.data(), count},
                       bytes.subspan(static_cast<size_t>(block) * element, count * element));
    }
  });
  return tensor;
}

void add_transformer(std::vector<checkpoint::TensorInfo>& tensors, const std::string& prefix,
                     const TransformerConfig& config, DType dtype) {
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string block = fmt::format("{}.encoder.layers.{}.", prefix, layer);
    for (const char* projection : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      const std::string module = block + "self_attn." + projection;
      tensors.push_back({module + ".weight", dtype, {config.width, config.width}});
      tensors.push_back({module + ".bias", dtype, {config.width}});
    }
    tensors.push_back({block + "mlp.fc1.weight", dtype, {config.ffn, config.width}});
    tensors.push_back({block + "mlp.fc1.bias", dtype, {config.ffn}});
    tensors.push_back({block + "mlp.fc2.weight", dtype, {config.width, config.ffn}});
    tensors.push_back({block + "mlp.fc2.bias", dtype, {config.width}});
    for (const char* norm : {"layer_norm1", "layer_norm2"}) {
      tensors.push_back({block + norm + ".weight", dtype, {config.width}});
      tensors.push_back({block + norm + ".bias", dtype, {config.width}});
    }
  }
}

Json preprocessor_json(const ClipConfig& config) {
  const int64_t size = config.vision.image_size;
  return {{"image_processor_type", "CLIPImageProcessor"},
          {"do_resize", true},
          {"size", {{"shortest_edge", size}}},
          {"resample", 3},
          {"do_center_crop", true},
          {"crop_size", {{"height", size}, {"width", size}}},
          {"do_rescale", true},
          {"rescale_factor", 1.0 / 255.0},
          {"do_normalize", true},
          {"do_convert_rgb", true},
          {"image_mean", {0.48145466, 0.4578275, 0.40821073}},
          {"image_std", {0.26862954, 0.26130258, 0.27577711}}};
}

}  // namespace

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  names.reserve(kArchitectures.size());
  for (const Architecture& row : kArchitectures) names.emplace_back(row.name);
  return names;
}

ClipConfig architecture(const std::string& name) {
  const auto* row = std::ranges::find(kArchitectures, name, &Architecture::name);
  if (row == kArchitectures.end()) {
    fail(ErrorCode::usage, "there is no architecture '{}'; there are {}", name,
         fmt::join(architecture_names(), ", "));
  }
  ClipConfig config;
  config.text.transformer = row->text;
  config.vision.transformer = row->vision;
  config.vision.patch = row->patch;
  config.vision.image_size = row->image_size;
  config.projection = row->projection;
  return config;
}

std::vector<checkpoint::TensorInfo> checkpoint_tensors(const ClipConfig& config, DType dtype) {
  const TransformerConfig& text = config.text.transformer;
  const VisionConfig& vision = config.vision;
  const int64_t width = vision.transformer.width;
  std::vector<checkpoint::TensorInfo> tensors{
      {"logit_scale", dtype, {}},
      {"text_model.embeddings.token_embedding.weight", dtype, {config.text.vocabulary, text.width}},
      {"text_model.embeddings.position_embedding.weight", dtype, {config.text.context, text.width}},
      {"text_model.final_layer_norm.weight", dtype, {text.width}},
      {"text_model.final_layer_norm.bias", dtype, {text.width}},
      {"text_projection.weight", dtype, {config.projection, text.width}},
      {"vision_model.embeddings.class_embedding", dtype, {width}},
      {"vision_model.embeddings.patch_embedding.weight",
       dtype,
       {width, vision.channels, vision.patch, vision.patch}},
      {"vision_model.embeddings.position_embedding.weight", dtype, {vision.patches() + 1, width}},
      {"vision_model.pre_layrnorm.weight", dtype, {width}},
      {"vision_model.pre_layrnorm.bias", dtype, {width}},
      {"vision_model.post_layernorm.weight", dtype, {width}},
      {"vision_model.post_layernorm.bias", dtype, {width}},
      {"visual_projection.weight", dtype, {config.projection, width}}};
  add_transformer(tensors, "text_model", text, dtype);
  add_transformer(tensors, "vision_model", vision.transformer, dtype);
  return tensors;
}

void create_checkpoint(const ClipConfig& config, const std::filesystem::path& folder,
                       const CreateOptions& options, const Progress& progress) {
  const std::vector<checkpoint::TensorInfo> tensors = checkpoint_tensors(config, options.dtype);
  int64_t made = 0;
  const auto source = [&](const checkpoint::TensorInfo& info) {
    throw_if_interrupted();
    report(progress, "tensors", ++made, static_cast<int64_t>(tensors.size()));
    return random_tensor(info, config, options.seed);
  };
  const std::string_view dtype = options.dtype == DType::f32    ? "float32"
                                 : options.dtype == DType::bf16 ? "bfloat16"
                                                                : "float16";
  checkpoint::save_checkpoint(folder, config.to_json(dtype), tensors, source);
  write_text(folder / "preprocessor_config.json", preprocessor_json(config).dump(2) + "\n");
  if (options.merges) data::write_tokenizer_files(*options.merges, folder, config.text.context);
}

}  // namespace octet::models
