#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "checkpoint/checkpoint.h"
#include "tensor/codecs.h"
#include "tests/checkpoint/folders.h"
#include "tests/expect_error.h"

namespace octet::checkpoint {
namespace {

using test::expect_error;
using test::TemporaryFolder;
using ::testing::HasSubstr;

const Json kStatic = {
    {"quantization_config", {{"quant_method", "modelopt"}, {"quant_algo", "FP8"}}}};

/// A module with everything, that the tests bend.
std::vector<NamedTensor> one_module() {
  return {{"fc.weight", counting(DType::f8e4m3, {4, 8})},
          {"fc.weight_scale", Tensor::scalar(0.5F)},
          {"fc.input_scale", Tensor::scalar(0.25F)},
          {"fc.bias", counting(DType::f16, {4})}};
}

Checkpoint open(const Json& config, const std::vector<NamedTensor>& tensors) {
  const TemporaryFolder folder;
  write_checkpoint(folder, config, tensors);
  return open_checkpoint(folder.path());
}

void expect_refused(const Json& config, const std::vector<NamedTensor>& tensors,
                    const std::vector<std::string>& parts) {
  expect_error(ErrorCode::bad_input, parts, [&] { open(config, tensors); });
}

TEST(Unified, ModelOptimizersExport) {
  const Checkpoint checkpoint = open_checkpoint(interop("hf-fp8/clip-fp8"));
  ASSERT_TRUE(checkpoint.quantization);
  const StoredQuantization& stored = *checkpoint.quantization;
  EXPECT_EQ(stored.layout, QuantizationLayout::unified);
  // 6 modules in 2 layers of 2 towers and 2 projections, weight and input; k and v of 4 blocks.
  EXPECT_EQ(stored.quantizers.size(), 2U * (6 * 4 + 2) + 2 * 4);
  EXPECT_EQ(checkpoint.tensors.size(), open_checkpoint(interop("random/mini-clip")).tensors.size());
  for (const auto& [name, tensor] : checkpoint.tensors) {
    EXPECT_FALSE(name.ends_with("_scale") && name != "logit_scale") << name;
  }
  ASSERT_EQ(stored.notices.size(), 1U);
  EXPECT_THAT(stored.notices[0],
              HasSubstr("text_model.encoder.layers.0.self_attn.q_bmm_quantizer"));
}

TEST(Unified, ScalesAreExactlyThoseStored) {
  const auto file = read_safetensors(interop("hf-fp8/clip-fp8/model.safetensors"));
  const Checkpoint checkpoint = open_checkpoint(interop("hf-fp8/clip-fp8"));
  const auto& quantizers = checkpoint.quantization->quantizers;
  const std::string attention = "vision_model.encoder.layers.1.self_attn";
  const std::vector<std::pair<std::string, std::string>> pairs{
      {attention + ".out_proj.weight_scale", attention + ".out_proj.weight_quantizer"},
      {attention + ".out_proj.input_scale", attention + ".out_proj.input_quantizer"},
      {attention + ".k_proj.k_scale", attention + ".k_bmm_quantizer"},
      {attention + ".v_proj.v_scale", attention + ".v_bmm_quantizer"},
      {"text_projection.input_scale", "text_projection.input_quantizer"}};
  for (const auto& [scale, quantizer] : pairs) {
    EXPECT_EQ(quantizers.at(quantizer).scale, file.tensors.at(scale)) << quantizer;
    EXPECT_EQ(quantizers.at(quantizer).amax.count(), 0);
    EXPECT_FALSE(quantizers.at(quantizer).before_attention_factor);
  }
  EXPECT_EQ(checkpoint.tensors.at("text_projection.weight"),
            file.tensors.at("text_projection.weight"));
}

TEST(Unified, AgreesWithTheAmaxItWasMadeFrom) {
  const Checkpoint exported = open_checkpoint(interop("hf-fp8/clip-fp8"));
  const Checkpoint original = open_checkpoint(interop("random/mini-clip/modelopt-ckpt"));
  for (const auto& [name, quantizer] : exported.quantization->quantizers) {
    EXPECT_EQ(quantizer.scale, original.quantization->quantizers.at(name).scale) << name;
  }
}

TEST(Unified, PerChannelAndPerToken) {
  const Checkpoint checkpoint = open_checkpoint(interop("hf-fp8/llama-fp8-pcpt"));
  const auto& quantizers = checkpoint.quantization->quantizers;
  const std::string module = "model.layers.1.mlp.up_proj";
  EXPECT_EQ(quantizers.at(module + ".weight_quantizer").scale.shape(), (Shape{128}));
  EXPECT_TRUE(quantizers.at(module + ".input_quantizer").dynamic_per_token);
  EXPECT_TRUE(checkpoint.quantization->notices.empty());
}

TEST(Unified, OurAttentionScales) {
  auto tensors = one_module();
  tensors.push_back({"attn.q_proj.q_scale", Tensor::scalar(1.0F)});
  tensors.push_back({"attn.k_proj.k_scale", Tensor::scalar(2.0F)});
  tensors.push_back({"attn.v_proj.v_scale", Tensor::scalar(3.0F)});
  tensors.push_back({"attn.softmax_scale", Tensor::scalar(1.0F / 448)});
  const auto checkpoint = open(kStatic, tensors);
  const auto& quantizers = checkpoint.quantization->quantizers;
  EXPECT_EQ(quantizers.at("attn.q_bmm_quantizer").scale, Tensor::scalar(1.0F));
  EXPECT_EQ(quantizers.at("attn.k_bmm_quantizer").scale, Tensor::scalar(2.0F));
  EXPECT_EQ(quantizers.at("attn.v_bmm_quantizer").scale, Tensor::scalar(3.0F));
  EXPECT_EQ(quantizers.at("attn.softmax_quantizer").scale, Tensor::scalar(1.0F / 448));
  EXPECT_TRUE(checkpoint.quantization->notices.empty());
  EXPECT_EQ(checkpoint.tensors.size(), 2U);
}

TEST(Unified, OnlyTheOtherFileMaySaySo) {
  const TemporaryFolder folder;
  write_checkpoint(folder, Json::object(), one_module());
  folder.write("hf_quant_config.json",
               R"({"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": null}})");
  EXPECT_EQ(open_checkpoint(folder.path()).quantization->quantizers.size(), 2U);
  folder.write("hf_quant_config.json", R"({"quantization": {"quant_algo": "NVFP4"}})");
  expect_error(ErrorCode::bad_input, {"'NVFP4' is not supported"},
               [&] { open_checkpoint(folder.path()); });
}

TEST(Unified, OnlyTheTensorsMaySaySo) {
  const auto checkpoint = open(Json::object(), one_module());
  EXPECT_EQ(checkpoint.quantization->quantizers.size(), 2U);
  ASSERT_EQ(checkpoint.quantization->notices.size(), 1U);
  EXPECT_THAT(checkpoint.quantization->notices[0], HasSubstr("config.json says nothing"));
}

TEST(Unified, Fp8MethodAndNarrowScales) {
  auto tensors = one_module();
  tensors[1].tensor = convert(f32({1}, {0.3F}), DType::bf16);
  const Json config = {
      {"quantization_config", {{"quant_method", "fp8"}, {"activation_scheme", "static"}}}};
  const auto checkpoint = open(config, tensors);
  EXPECT_EQ(checkpoint.quantization->quantizers.at("fc.weight_quantizer").scale,
            Tensor::scalar(bf16_to_f32(f32_to_bf16(0.3F))));
}

TEST(Unified, MissingInputScales) {
  auto tensors = one_module();
  tensors.erase(tensors.begin() + 2);
  const auto weights_only = open(kStatic, tensors);
  EXPECT_FALSE(weights_only.quantization->quantizers.contains("fc.input_quantizer"));
  ASSERT_EQ(weights_only.quantization->notices.size(), 1U);
  EXPECT_THAT(weights_only.quantization->notices[0], HasSubstr("'fc'"));

  const Json dynamic = {
      {"quantization_config", {{"quant_method", "fp8"}, {"activation_scheme", "dynamic"}}}};
  const auto per_token = open(dynamic, tensors);
  EXPECT_TRUE(per_token.quantization->quantizers.at("fc.input_quantizer").dynamic_per_token);
}

TEST(Unified, RefusesOtherFormats) {
  const auto with = [](const char* key, const Json& value) {
    Json config = kStatic;
    config["quantization_config"][key] = value;
    return config;
  };
  expect_refused(with("quant_algo", "W4A16_AWQ"), one_module(),
                 {"'W4A16_AWQ'", "supported are FP8"});
  expect_refused(with("kv_cache_quant_algo", "NVFP4"), one_module(), {"kv_cache_quant_algo"});
  expect_refused(with("weight_block_size", {128, 128}), one_module(), {"weight_block_size"});
  expect_refused(with("config_groups", {{"g", {{"weights", {{"num_bits", 4}}}}}}), one_module(),
                 {"4 bits"});
  expect_refused(with("quant_algo", 7), one_module(), {"'quant_algo' has the wrong type"});
}

TEST(Unified, RefusesForeignTensors) {
  for (const char* name : {"fc.weight_scale_inv", "fc.weight_scale_2", "fc.pre_quant_scale",
                           "fc.weight_zero_point", "attn.k_proj.k_bias"}) {
    auto tensors = one_module();
    tensors.push_back({name, Tensor::scalar(1.0F)});
    expect_refused(kStatic, tensors, {name, "not supported"});
  }
}

TEST(Unified, RefusesScalesThatDoNotFit) {
  const auto with_scale = [](const Tensor& scale) {
    auto tensors = one_module();
    tensors[1].tensor = scale;
    return tensors;
  };
  EXPECT_NO_THROW(open(kStatic, with_scale(f32({4}, {1, 2, 3, 4}))));
  EXPECT_NO_THROW(open(kStatic, with_scale(f32({4, 1}, {1, 2, 3, 4}))));
  expect_refused(kStatic, with_scale(f32({3}, {1, 2, 3})), {"fc.weight_scale", "3 values"});
  expect_refused(kStatic, with_scale(f32({2, 2}, {1, 2, 3, 4})), {"fc.weight_scale", "[2, 2]"});
  expect_refused(kStatic, with_scale(f32({0}, {})), {"fc.weight_scale"});
  expect_refused(kStatic, with_scale(Tensor::scalar(0.0F)), {"fc.weight_scale", "unusable"});
  expect_refused(kStatic, with_scale(Tensor::scalar(-1.0F)), {"fc.weight_scale", "unusable"});
  expect_refused(kStatic, with_scale(Tensor::scalar(NAN)), {"fc.weight_scale", "unusable"});
  expect_refused(kStatic, with_scale(Tensor::scalar<int32_t>(1)), {"fc.weight_scale", "i32"});

  auto tensors = one_module();
  tensors[2].tensor = f32({2}, {1, 2});
  expect_refused(kStatic, tensors, {"fc.input_scale", "an activation has one"});
}

TEST(Unified, WeightsAndScalesBelongTogether) {
  auto no_scale = one_module();
  no_scale.erase(no_scale.begin() + 1);
  expect_refused(kStatic, no_scale, {"'fc.weight' is f8e4m3 but has no 'fc.weight_scale'"});

  auto no_weight = one_module();
  no_weight.erase(no_weight.begin());
  expect_refused(kStatic, no_weight, {"there is no 'fc.weight'"});

  auto other_type = one_module();
  other_type[0].tensor = counting(DType::i8, {4, 8});
  expect_refused(kStatic, other_type, {"'fc.weight' is i8"});
}

}  // namespace
}  // namespace octet::checkpoint
