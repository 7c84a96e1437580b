#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/checkpoint.h"
#include "tensor/codecs.h"
#include "tests/checkpoint/folders.h"
#include "tests/expect_error.h"

namespace octet::checkpoint {
namespace {

using test::expect_error;
using test::TemporaryFolder;

constexpr std::string_view kModule = "text_model.encoder.layers.1.mlp.fc1";

std::string in_module(std::string_view name) {
  return std::string(kModule) + std::string(name);
}

TEST(CompressedTensors, Static) {
  const auto folder = interop("hf-fp8/clip-compressed-tensors-static");
  const auto file = read_safetensors(folder / "model.safetensors");
  const Checkpoint checkpoint = open_checkpoint(folder);
  ASSERT_TRUE(checkpoint.quantization);
  EXPECT_EQ(checkpoint.quantization->layout, QuantizationLayout::compressed_tensors);
  EXPECT_TRUE(checkpoint.quantization->notices.empty());
  const auto& quantizers = checkpoint.quantization->quantizers;
  EXPECT_EQ(quantizers.size(), 2U * 6 * 4);  // the projections are not quantized
  for (const char* kind : {"weight", "input"}) {
    const auto& quantizer = quantizers.at(in_module("." + std::string(kind) + "_quantizer"));
    const auto& stored = file.tensors.at(in_module("." + std::string(kind) + "_scale"));
    EXPECT_EQ(stored.dtype(), DType::bf16);
    EXPECT_EQ(quantizer.scale, Tensor::scalar(element_as_f32(stored, 0)));
    EXPECT_FALSE(quantizer.dynamic_per_token);
  }
  EXPECT_EQ(checkpoint.tensors.at(in_module(".weight")), file.tensors.at(in_module(".weight")));
}

TEST(CompressedTensors, DynamicPerToken) {
  const auto folder = interop("hf-fp8/clip-compressed-tensors-dynamic");
  const auto file = read_safetensors(folder / "model.safetensors");
  const Checkpoint checkpoint = open_checkpoint(folder);
  const auto& quantizers = checkpoint.quantization->quantizers;
  EXPECT_EQ(quantizers.size(), 2U * 6 * 4);
  EXPECT_TRUE(quantizers.at(in_module(".input_quantizer")).dynamic_per_token);
  EXPECT_EQ(quantizers.at(in_module(".input_quantizer")).scale.count(), 0);
  const Tensor& stored = file.tensors.at(in_module(".weight_scale"));
  EXPECT_EQ(stored.shape(), (Shape{128, 1}));
  EXPECT_EQ(quantizers.at(in_module(".weight_quantizer")).scale,
            convert(stored, DType::f32).reshaped({128}));
}

/// The settings of the static checkpoint with one value replaced.
void expect_refused(const std::string& pointer, const Json& value,
                    const std::vector<std::string>& parts) {
  Json config = {{"quantization_config",
                  {{"quant_method", "compressed-tensors"},
                   {"format", "float-quantized"},
                   {"quantization_status", "compressed"},
                   {"config_groups",
                    {{"group_0",
                      {{"weights", {{"num_bits", 8}, {"type", "float"}, {"strategy", "tensor"}}},
                       {"input_activations",
                        {{"num_bits", 8}, {"strategy", "tensor"}, {"dynamic", false}}}}}}}}}};
  const TemporaryFolder folder;
  write_checkpoint(folder, config, {{"x", f32({1}, {1})}});
  EXPECT_NO_THROW(open_checkpoint(folder.path()));
  config["quantization_config"][Json::json_pointer(pointer)] = value;
  write_checkpoint(folder, config, {{"x", f32({1}, {1})}});
  expect_error(ErrorCode::bad_input, parts, [&] { open_checkpoint(folder.path()); });
}

TEST(CompressedTensors, RefusesOtherFormats) {
  const std::string group = "/config_groups/group_0";
  expect_refused("/format", "pack-quantized", {"'pack-quantized' is not supported"});
  expect_refused("/quantization_status", "frozen", {"'frozen'", "compressed"});
  expect_refused(group + "/format", "int-quantized", {"group_0", "'int-quantized'"});
  expect_refused(group + "/weights/num_bits", 4, {"group_0", "4 bits"});
  expect_refused(group + "/weights/type", "int", {"group_0", "'int'"});
  expect_refused(group + "/weights/symmetric", false, {"group_0", "symmetric"});
  expect_refused(group + "/weights/strategy", "block", {"group_0", "'block'"});
  expect_refused(group + "/input_activations/strategy", "token", {"group_0", "static input"});
  expect_refused(group + "/input_activations/dynamic", true, {"group_0", "dynamic input"});
  expect_refused(group + "/input_activations/dynamic", "local", {"'dynamic' has the wrong type"});
}

TEST(CompressedTensors, NeedsItsGroups) {
  const TemporaryFolder folder;
  write_checkpoint(folder, {{"quantization_config", {{"quant_method", "compressed-tensors"}}}},
                   {{"x", f32({1}, {1})}});
  expect_error(ErrorCode::bad_input, {"'config_groups' is missing"},
               [&] { open_checkpoint(folder.path()); });
}

}  // namespace
}  // namespace octet::checkpoint
