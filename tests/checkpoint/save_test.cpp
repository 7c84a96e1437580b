#include "checkpoint/save.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "tests/checkpoint/folders.h"
#include "tests/expect_error.h"
#include "tests/file_size_limit.h"

namespace octet::checkpoint {
namespace {

using test::expect_error;
using test::TemporaryFolder;

StoredQuantizer scaled(const Tensor& scale) {
  StoredQuantizer quantizer;
  quantizer.scale = scale;
  return quantizer;
}

bool same(const StoredQuantizer& a, const StoredQuantizer& b) {
  return a.enabled == b.enabled && a.dynamic_per_token == b.dynamic_per_token &&
         a.scale == b.scale && a.before_attention_factor == b.before_attention_factor;
}

void expect_same(const StoredQuantizers& actual, const StoredQuantizers& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, quantizer] : expected) {
    ASSERT_TRUE(actual.contains(name)) << name;
    EXPECT_TRUE(same(actual.at(name), quantizer)) << name;
  }
}

/// A model with one module, one attention block and tensors that stay as they are.
struct Model {
  Json config = {{"model_type", "clip"}, {"projection_dim", 48}};
  NamedTensors tensors{{"fc.weight", counting(DType::f8e4m3, {4, 8})},
                       {"fc.bias", counting(DType::f16, {4})},
                       {"embedding.weight", counting(DType::f16, {6, 4})},
                       {"norm.weight", counting(DType::f32, {4})}};
  StoredQuantizers quantizers{{"fc.weight_quantizer", scaled(Tensor::scalar(0x1.8p-10F))},
                              {"fc.input_quantizer", scaled(Tensor::scalar(0.037F))},
                              {"attn.q_bmm_quantizer", scaled(Tensor::scalar(1.0F))},
                              {"attn.k_bmm_quantizer", scaled(Tensor::scalar(2.0F))},
                              {"attn.v_bmm_quantizer", scaled(Tensor::scalar(3.0F))},
                              {"attn.softmax_quantizer", scaled(Tensor::scalar(1 / 448.0F))}};
};

void expect_round_trip(const Model& model, const SaveOptions& options = {}) {
  const TemporaryFolder folder;
  save_quantized(folder.path(), model.config, model.tensors, model.quantizers, options);
  const Checkpoint back = open_checkpoint(folder.path());
  EXPECT_EQ(back.tensors, model.tensors);
  ASSERT_TRUE(back.quantization);
  EXPECT_EQ(back.quantization->layout, QuantizationLayout::unified);
  expect_same(back.quantization->quantizers, model.quantizers);
  Json config = back.config;
  config.erase("quantization_config");
  EXPECT_EQ(config, model.config);
}

void expect_refused(const Model& model, const std::vector<std::string>& parts) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::usage, parts, [&] {
    save_quantized(folder.path(), model.config, model.tensors, model.quantizers);
  });
  EXPECT_EQ(folder.entries(), 0);
}

TEST(SaveQuantized, RoundTripsToTheBit) {
  expect_round_trip(Model());
}

TEST(SaveQuantized, RoundTripsPerChannel) {
  Model model;
  model.quantizers["fc.weight_quantizer"] = scaled(f32({4}, {0.1F, 0.2F, 0.3F, 0.4F}));
  expect_round_trip(model);
}

TEST(SaveQuantized, RoundTripsDynamicInputs) {
  Model model;
  model.quantizers["fc.input_quantizer"] = StoredQuantizer{.dynamic_per_token = true};
  expect_round_trip(model);
  model.quantizers["fc.weight_quantizer"] = scaled(f32({4}, {0.1F, 0.2F, 0.3F, 0.4F}));
  expect_round_trip(model);
}

TEST(SaveQuantized, RoundTripsWeightsOnly) {
  Model model;
  model.quantizers.erase("fc.input_quantizer");
  expect_round_trip(model);
}

TEST(SaveQuantized, RoundTripsShards) {
  expect_round_trip(Model(), {.shard_bytes = 40});
}

TEST(SaveQuantized, RoundTripsWhatOthersExported) {
  const Checkpoint original = open_checkpoint(interop("hf-fp8/clip-fp8"));
  Model model;
  model.config = original.config;
  model.config.erase("quantization_config");
  model.tensors = original.tensors;
  model.quantizers = original.quantization->quantizers;
  expect_round_trip(model);
}

TEST(SaveQuantized, WritesTheSameTensorsAsTheOriginal) {
  // The layout is Model Optimizer's: names, types and shapes of all tensors agree with its export.
  const auto folder = interop("hf-fp8/clip-fp8");
  const Checkpoint original = open_checkpoint(folder);
  const TemporaryFolder copy;
  save_quantized(copy.path(), original.config, original.tensors, original.quantization->quantizers);
  const auto expected = read_safetensors(folder / "model.safetensors");
  const auto actual = read_safetensors(copy / "model.safetensors");
  EXPECT_EQ(actual.tensors, expected.tensors);
  EXPECT_EQ(actual.order, expected.order);
  EXPECT_EQ(actual.metadata, expected.metadata);
}

TEST(SaveQuantized, DisabledQuantizersAreLeftOut) {
  Model model;
  StoredQuantizer disabled = scaled(Tensor::scalar(9.0F));
  disabled.enabled = false;
  Model with_disabled = model;
  with_disabled.quantizers["embedding.weight_quantizer"] = disabled;
  const TemporaryFolder folder;
  save_quantized(folder.path(), model.config, model.tensors, with_disabled.quantizers);
  expect_same(open_checkpoint(folder.path()).quantization->quantizers, model.quantizers);
}

TEST(SaveQuantized, SettingsSayWhatWasDone) {
  const Model model;
  const TemporaryFolder folder;
  save_quantized(folder.path(), model.config, model.tensors, model.quantizers,
                 {.producer_version = "1.2.3"});
  const Json settings = read_json(folder / "config.json").at("quantization_config");
  EXPECT_EQ(settings.at("quant_method"), "modelopt");
  EXPECT_EQ(settings.at("quant_algo"), "FP8");
  EXPECT_EQ(settings.at("ignore"), Json::array({"embedding"}));
  EXPECT_EQ(settings.at("producer"), Json({{"name", "octet"}, {"version", "1.2.3"}}));
  const Json& group = settings.at("config_groups").at("group_0");
  EXPECT_EQ(group.at("weights").at("num_bits"), 8);
  EXPECT_EQ(group.at("input_activations").at("dynamic"), false);
  EXPECT_EQ(group.at("targets"), Json::array({"Linear"}));
  const Json file = read_json(folder / "hf_quant_config.json");
  EXPECT_EQ(file.at("quantization").at("quant_algo"), "FP8");
  EXPECT_EQ(file.at("quantization").at("kv_cache_quant_algo"), "FP8");
  EXPECT_EQ(file.at("quantization").at("exclude_modules"), Json::array({"embedding"}));
}

TEST(SaveQuantized, RefusesWhatTheLayoutCannotHold) {
  Model model;
  model.quantizers["fc.output_quantizer"] = scaled(Tensor::scalar(1.0F));
  expect_refused(model, {"fc.output_quantizer", "no place"});

  model = Model();
  model.quantizers["attn.q_bmm_quantizer"].before_attention_factor = true;
  expect_refused(model, {"attn.q_bmm_quantizer", "attention factor"});

  model = Model();
  model.quantizers["attn.k_bmm_quantizer"].dynamic_per_token = true;
  expect_refused(model, {"attn.k_bmm_quantizer", "dynamic"});

  model = Model();
  model.tensors["gc.weight"] = counting(DType::f8e4m3, {4, 8});
  model.quantizers["gc.weight_quantizer"] = scaled(Tensor::scalar(1.0F));
  model.quantizers["gc.input_quantizer"].dynamic_per_token = true;
  model.quantizers.erase("fc.input_quantizer");
  expect_refused(model, {"input of 'fc'"});
}

TEST(SaveQuantized, RefusesScalesThatDoNotFit) {
  Model model;
  model.quantizers.erase("fc.weight_quantizer");
  expect_refused(model, {"'fc.weight' is f8e4m3", "no weight quantizer"});

  model = Model();
  model.quantizers["embedding.weight_quantizer"] = scaled(Tensor::scalar(1.0F));
  expect_refused(model, {"embedding.weight_quantizer", "f8e4m3"});

  model = Model();
  model.quantizers["fc.weight_quantizer"] = scaled(f32({3}, {1, 2, 3}));
  expect_refused(model, {"fc.weight_quantizer", "[3]"});

  model = Model();
  model.quantizers["fc.input_quantizer"] = scaled(f32({4}, {1, 2, 3, 4}));
  expect_refused(model, {"fc.input_quantizer", "[4]"});

  model = Model();
  model.quantizers["fc.input_quantizer"] = scaled(Tensor::scalar(1.0));
  expect_refused(model, {"fc.input_quantizer", "f64"});
}

const std::vector<TensorInfo> kInfos{{"a", DType::f32, {4}},
                                     {"b", DType::f16, {2, 4}},
                                     {"c", DType::f32, {3}},
                                     {"d", DType::f32, {100}}};

Tensor make(const TensorInfo& info) {
  return counting(info.dtype, info.shape);
}

void expect_made(const std::filesystem::path& folder) {
  const Checkpoint back = open_checkpoint(folder);
  ASSERT_EQ(back.tensors.size(), kInfos.size());
  for (const auto& info : kInfos) EXPECT_EQ(back.tensors.at(info.name), make(info));
}

TEST(SaveCheckpoint, MakesEachTensorOnce) {
  const TemporaryFolder folder;
  std::map<std::string, int> made;
  save_checkpoint(folder.path(), {{"model_type", "clip"}}, kInfos, [&](const TensorInfo& info) {
    ++made[info.name];
    return make(info);
  });
  EXPECT_EQ(made, (std::map<std::string, int>{{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}));
  expect_made(folder.path());
  EXPECT_EQ(folder.entries(), 2);
}

TEST(SaveCheckpoint, ShardsHoldAtMostWhatIsAllowed) {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), Json::object(), kInfos, make, {.shard_bytes = 32});
  expect_made(folder.path());
  // a and b are 32 bytes, c 12; d is too large for any and stands alone.
  EXPECT_EQ(read_safetensors(folder / "model-00001-of-00003.safetensors").tensors.size(), 2U);
  EXPECT_EQ(read_safetensors(folder / "model-00002-of-00003.safetensors").tensors.size(), 1U);
  EXPECT_EQ(read_safetensors(folder / "model-00003-of-00003.safetensors").tensors.size(), 1U);
  EXPECT_EQ(read_json(folder / "model.safetensors.index.json").at("metadata").at("total_size"),
            32 + 12 + 400);
}

TEST(SaveCheckpoint, ReplacesAnEarlierOneOfAnotherForm) {
  const TemporaryFolder folder;
  const Model model;
  save_quantized(folder.path(), model.config, model.tensors, model.quantizers);
  save_checkpoint(folder.path(), Json::object(), kInfos, make, {.shard_bytes = 32});
  expect_made(folder.path());
  EXPECT_FALSE(open_checkpoint(folder.path()).quantization);
  save_checkpoint(folder.path(), Json::object(), kInfos, make);
  expect_made(folder.path());
}

TEST(SaveCheckpoint, OntoTheFolderItReadsFrom) {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), Json::object(), kInfos, make);
  const Checkpoint open = open_checkpoint(folder.path());
  save_checkpoint(folder.path(), Json::object(), kInfos,
                  [&](const TensorInfo& info) { return open.tensors.find(info.name)->second; });
  expect_made(folder.path());
}

TEST(SaveCheckpoint, AnErrorLeavesTheFolderAsItWas) {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), {{"old", true}}, kInfos, make);
  expect_error(ErrorCode::failed, {"no b"}, [&] {
    save_checkpoint(folder.path(), {{"old", false}}, kInfos,
                    [](const TensorInfo& info) {
                      if (info.name == "b") fail(ErrorCode::failed, "no b");
                      return Tensor(info.dtype, info.shape);
                    },
                    {.shard_bytes = 16});
  });
  EXPECT_EQ(folder.entries(), 2);
  expect_made(folder.path());
  EXPECT_EQ(open_checkpoint(folder.path()).config.at("old"), true);
}

TEST(SaveCheckpoint, AnErrorLeavesNoNewFolder) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::failed, {"no c"}, [&] {
    save_checkpoint(folder / "new", {}, kInfos,
                    [](const TensorInfo& info) {
                      if (info.name == "c") fail(ErrorCode::failed, "no c");
                      return make(info);
                    },
                    {.shard_bytes = 16});
  });
  EXPECT_EQ(folder.entries(), 0);
}

TEST(SaveCheckpoint, AFullDiskLeavesTheFolderAsItWas) {
  const TemporaryFolder folder;
  save_checkpoint(folder.path(), {{"old", true}}, kInfos, make);
  expect_error(ErrorCode::failed, {"model.safetensors", "free space"}, [&] {
    const test::FileSizeLimit limit(200);
    save_checkpoint(folder.path(), {{"old", false}}, kInfos, make);
  });
  EXPECT_EQ(folder.entries(), 2);
  expect_made(folder.path());
}

}  // namespace
}  // namespace octet::checkpoint
