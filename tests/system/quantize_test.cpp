#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/files.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "tensor/codecs.h"
#include "tests/system/program.h"
#include "tests/temporary_folder.h"

namespace octet::system_test {
namespace {

using test::TemporaryFolder;
using testing::HasSubstr;

const std::string kModel = OCTET_SOURCE_DIR "/examples/tinyclip";
const std::string kData = OCTET_SOURCE_DIR "/examples/tinyclip/calib";

TEST(QuantizeVerb, DryRunShowsWhatWouldBeDone) {
  const Outcome text = run_octet({"quantize", kModel, "--dry-run", "--disable", "*.fc2.*"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("'*.fc2.*' (--disable)"));
  EXPECT_THAT(text.out, HasSubstr("recipe fp8: 144 of 166 quantizers enabled"));
  const Outcome json =
      run_octet({"quantize", kModel, "--dry-run", "--json", "--calibrator", "mse"});
  const Json document = parse_json(json.out, "stdout");
  EXPECT_EQ(document["enabled"], 164);
  EXPECT_EQ(document["quantizers"][0]["calibrator"], "mse");
}

TEST(QuantizeVerb, WritesACheckpointAndPrintsTheTable) {
  const TemporaryFolder folder;
  const std::string out = (folder / "out").string();
  const Outcome outcome =
      run_octet({"quantize", kModel, "--calib", kData, "--calib-size", "8", "-o", out, "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json printed = parse_json(outcome.out, "stdout");
  EXPECT_GT(printed["quantizers"][0]["amax"][0], 0);
  EXPECT_EQ(read_json(folder / "out/quantization.json")["quantizers"], printed["quantizers"]);
  const Outcome again =
      run_octet({"quantize", out, "--recipe", "fp8-weights", "-o", (folder / "twice").string()});
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_THAT(again.err, HasSubstr("quantized already"));
}

TEST(QuantizeVerb, WhatIsMissingIsSaid) {
  const TemporaryFolder folder;
  const std::string out = (folder / "out").string();
  const Outcome no_data = run_octet({"quantize", kModel, "-o", out});
  EXPECT_EQ(no_data.exit_code, 2);
  EXPECT_THAT(no_data.err, HasSubstr("calibration data"));
  const Outcome no_output = run_octet({"quantize", kModel, "--calib", kData});
  EXPECT_EQ(no_output.exit_code, 2);
  EXPECT_THAT(no_output.err, HasSubstr("-o"));
  const Outcome no_recipe = run_octet({"quantize", kModel, "--recipe", "fp9", "--dry-run"});
  EXPECT_EQ(no_recipe.exit_code, 2);
  EXPECT_THAT(no_recipe.err, HasSubstr("fp8-per-channel"));
  const Outcome no_set = run_octet({"quantize", kModel, "--calib", out, "-o", out});
  EXPECT_EQ(no_set.exit_code, 3);
  const Outcome no_match = run_octet({"quantize", kModel, "--disable", "*.fc9.*", "--dry-run"});
  EXPECT_EQ(no_match.exit_code, 3);
  EXPECT_THAT(no_match.err, HasSubstr("'*.fc9.*' (--disable)"));
  EXPECT_EQ(folder.entries(), 0);
}

TEST(QuantizeVerb, AnOutputThatCannotBeWrittenIsToldBeforeTheWork) {
  const TemporaryFolder folder;
  const auto file = folder.write("file", "x");
  const Outcome outcome = run_octet(
      {"quantize", kModel, "--calib", kData, "-o", (file / "out").string(), "--calib-size", "1"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("file"));
}

/// A copy of the sample model with one element of a tensor replaced.
std::string damaged_model(const TemporaryFolder& folder, const std::string& name, float value) {
  auto model = checkpoint::open_checkpoint(kModel);
  Tensor& tensor = model.tensors.at(name);
  tensor = convert(tensor, DType::f32).clone();
  tensor.mutable_values<float>()[3] = value;
  std::vector<checkpoint::NamedTensor> tensors;
  for (const auto& [key, held] : model.tensors) tensors.push_back({key, held});
  checkpoint::write_safetensors(folder / "model/model.safetensors", tensors);
  for (const char* file : {"config.json", "preprocessor_config.json", "tokenizer.json"}) {
    octet::copy_file(std::filesystem::path(kModel) / file, folder / "model" / file);
  }
  return (folder / "model").string();
}

TEST(QuantizeVerb, NanInAnActivationNamesTheTensor) {
  const TemporaryFolder folder;
  // Its product with any activation above 1.2 is beyond FP32.
  const std::string model =
      damaged_model(folder, "vision_model.encoder.layers.2.mlp.fc1.weight", 3e38F);
  const Outcome outcome = run_octet(
      {"quantize", model, "--calib", kData, "--calib-size", "4", "-o", (folder / "out").string()});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("'vision_model.encoder.layers.2.mlp.fc2.input_quantizer'"));
  EXPECT_THAT(outcome.err, HasSubstr("NaN or infinity"));
  EXPECT_EQ(folder.entries(), 1) << "only the model itself";
}

TEST(QuantizeVerb, NanInAWeightNamesTheTensor) {
  const TemporaryFolder folder;
  const std::string model = damaged_model(folder, "text_projection.weight", NAN);
  const Outcome outcome =
      run_octet({"quantize", model, "--recipe", "fp8-weights", "-o", (folder / "out").string()});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("'text_projection.weight' holds NaN"));
  EXPECT_EQ(folder.entries(), 1) << "only the model itself";
}

TEST(QuantizeVerb, AnInterruptLeavesNothing) {
  const TemporaryFolder folder;
  const Outcome outcome = interrupt_octet(
      {"-v", "quantize", kModel, "--calib", kData, "-o", (folder / "out").string()});
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(outcome.err, HasSubstr("octet: error: "));
  EXPECT_EQ(folder.entries(), 0);
}

}  // namespace
}  // namespace octet::system_test
