#include "quant/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "checkpoint/safetensors.h"
#include "quant/apply_stored.h"
#include "quant/weights.h"
#include "tensor/codecs.h"
#include "tests/expect_error.h"
#include "tests/file_size_limit.h"
#include "tests/quant/model_runs.h"
#include "tests/temporary_folder.h"

namespace octet::quant {
namespace {

using models::ClipModel;
using models::Tower;
using octet::test::expect_error;
using octet::test::FileSizeLimit;
using octet::test::TemporaryFolder;
using test::mini_clip;
using test::tinyclip;

namespace fs = std::filesystem;
const fs::path kRoot = OCTET_SOURCE_DIR;

/// Bars of FP8 against FP32, and of one engine's kernels against the other's.
constexpr double kFp8MeanCosine = 0.995;
constexpr double kEngineMeanCosine = 0.998;

QuantizedModel quantize_without_data(const ClipModel& model, const std::string& recipe) {
  return quantize(model, resolve(open_recipe(recipe), find_points(model)), nullptr, test::cpu(),
                  {});
}

QuantizedModel quantize_on_sample(const std::string& recipe, int64_t size) {
  CalibrationData data =
      CalibrationData::open(tinyclip(), {kRoot / "examples/tinyclip/calib"}, {.size = size});
  return quantize(tinyclip(), resolve(open_recipe(recipe), find_points(tinyclip())), &data,
                  test::cpu(), {});
}

/// tinyclip by the default recipe on its whole calibration set.
const QuantizedModel& quantized_sample() {
  static const QuantizedModel quantized = quantize_on_sample("fp8", 256);
  return quantized;
}

Graph graph_of(const ClipModel& model, Tower tower, DType precision) {
  Graph graph = model.build(tower, {precision});
  apply_stored(graph, *model.checkpoint().quantization, {});
  return graph;
}

TEST(Quantize, ACheckpointOpensAgainBitEqual) {
  for (const char* recipe : {"fp8", "fp8-per-channel", "fp8-nomha", "fp8-all"}) {
    const TemporaryFolder folder;
    const QuantizedModel quantized = quantize_on_sample(recipe, 4);
    save_quantized_model(quantized, tinyclip(), folder / "out", "1.2.3");
    const ClipModel opened(checkpoint::open_checkpoint(folder / "out"));
    EXPECT_EQ(opened.checkpoint().tensors, quantized.tensors) << recipe;
    const auto& stored = *opened.checkpoint().quantization;
    EXPECT_TRUE(stored.notices.empty()) << stored.notices.front();
    ASSERT_EQ(stored.quantizers.size(), quantized.quantizers.size()) << recipe;
    for (const auto& [name, quantizer] : quantized.quantizers) {
      EXPECT_EQ(stored.quantizers.at(name).scale, quantizer.scale) << name;
    }
    for (const Tower tower : {Tower::text, Tower::image}) {
      Graph graph = opened.build(tower, {});
      EXPECT_TRUE(apply_stored(graph, stored, {}).empty()) << recipe;
    }
  }
}

TEST(Quantize, TheFolderStandsOnItsOwn) {
  const TemporaryFolder folder;
  save_quantized_model(quantized_sample(), tinyclip(), folder / "out", "1.2.3");
  for (const char* name : {"config.json", "hf_quant_config.json", "model.safetensors",
                           "tokenizer.json", "preprocessor_config.json", "quantization.txt"}) {
    EXPECT_TRUE(fs::is_regular_file(folder / "out" / name)) << name;
  }
  const Json report = read_json(folder / "out/quantization.json");
  EXPECT_EQ(report["recipe"], "fp8");
  EXPECT_EQ(report["octet_version"], "1.2.3");
  EXPECT_EQ(report["enabled"], 164);
  EXPECT_EQ(report["calibration"]["samples"]["image"], 256);
  EXPECT_EQ(report["calibration"]["unreadable"], 0);
  for (const Json& entry : report["quantizers"]) {
    if (!entry["enabled"].get<bool>()) continue;
    const auto scale = entry["scales"][0].get<float>();
    EXPECT_EQ(f16_to_f32(f32_to_f16(scale)), scale) << entry["name"];
  }
}

TEST(Quantize, CodesAreWeightOverStoredScale) {
  const std::string module = "vision_model.encoder.layers.3.mlp.fc2";
  const Tensor& weight = tinyclip().tensor(module + ".weight");
  const Tensor& codes = quantized_sample().tensors.at(module + ".weight");
  const Tensor& scale = quantized_sample().quantizers.at(module + ".weight_quantizer").scale;
  ASSERT_EQ(codes.dtype(), DType::f8e4m3);
  const float divisor = element_as_f32(scale, 0);
  for (int64_t i = 0; i < weight.count(); ++i) {
    ASSERT_EQ(codes.values<uint8_t>()[static_cast<size_t>(i)],
              quantize_e4m3(element_as_f32(weight, i), divisor));
  }
}

TEST(Quantize, Fp8EmbeddingsStayNearFp32) {
  const TemporaryFolder folder;
  save_quantized_model(quantized_sample(), tinyclip(), folder / "out", "0");
  const ClipModel opened(checkpoint::open_checkpoint(folder / "out"));
  const auto golden =
      checkpoint::read_safetensors(kRoot / "tests/golden/tinyclip/golden.safetensors");
  for (const Tower tower : {Tower::text, Tower::image}) {
    const bool text = tower == Tower::text;
    const Tensor& input = golden.tensors.at(text ? "input_ids" : "pixel_values");
    const Tensor plain = test::run(tinyclip().build(tower, {DType::f32}), test::reference(), input);
    const Graph graph = graph_of(opened, tower, DType::f16);
    const Tensor simulated = test::run(graph, test::reference(), input);
    const Tensor engine = test::run(graph, test::cpu(), input);
    const auto to_plain = test::row_cosines(simulated, plain);
    const auto to_simulated = test::row_cosines(engine, simulated);
    EXPECT_GE(to_plain.mean, kFp8MeanCosine) << models::name_of(tower);
    EXPECT_GE(to_simulated.mean, kEngineMeanCosine) << models::name_of(tower);
    RecordProperty(std::string(models::name_of(tower)),
                   fmt::format("{} {} / {} {}", to_plain.mean, to_plain.minimum, to_simulated.mean,
                               to_simulated.minimum));
  }
}

TEST(Quantize, EveryCalibratorKeepsTheModel) {
  const auto golden =
      checkpoint::read_safetensors(kRoot / "tests/golden/tinyclip/golden.safetensors");
  const Tensor& pixels = golden.tensors.at("pixel_values");
  const Tensor plain =
      test::run(tinyclip().build(Tower::image, {DType::f32}), test::reference(), pixels);
  for (const char* name : {"max", "percentile", "entropy", "mse"}) {
    Recipe recipe = open_recipe("fp8");
    set_calibrator(recipe, parse_calibrator(name));
    CalibrationData data =
        CalibrationData::open(tinyclip(), {kRoot / "examples/tinyclip/calib"}, {.size = 16});
    const QuantizedModel quantized =
        quantize(tinyclip(), resolve(recipe, find_points(tinyclip())), &data, test::cpu(), {});
    const TemporaryFolder folder;
    save_quantized_model(quantized, tinyclip(), folder / "out", "0");
    const ClipModel opened(checkpoint::open_checkpoint(folder / "out"));
    const auto cosines = test::row_cosines(
        test::run(graph_of(opened, Tower::image, DType::f16), test::cpu(), pixels), plain);
    EXPECT_GE(cosines.mean, 0.99) << name;
    RecordProperty(name, fmt::format("{}", cosines.mean));
  }
}

TEST(Quantize, WithoutDataOnlyWhatNeedsNone) {
  const QuantizedModel quantized = quantize_without_data(mini_clip(), "fp8-weights");
  EXPECT_EQ(quantized.quantizers.size(), 4U * 6 + 2);
  expect_error(ErrorCode::usage, {"'fp8'", "activations", "calibration data"},
               [] { quantize_without_data(mini_clip(), "fp8"); });
}

TEST(Quantize, AQuantizedCheckpointIsRefused) {
  const ClipModel model = test::open_model("tests/golden/interop/random/mini-clip/modelopt-ckpt");
  expect_error(ErrorCode::bad_input, {"quantized already"},
               [&] { quantize_without_data(model, "fp8-weights"); });
}

TEST(Quantize, AWeightWithNanIsNamed) {
  auto checkpoint = checkpoint::open_checkpoint(kRoot / "examples/tinyclip");
  Tensor& bad = checkpoint.tensors.at("text_projection.weight");
  bad = convert(bad, DType::f32).clone();
  bad.mutable_values<float>()[5] = NAN;
  const ClipModel model(std::move(checkpoint));
  const Resolved resolved = resolve(open_recipe("fp8-weights"), find_points(tinyclip()));
  expect_error(ErrorCode::bad_input, {"text_projection.weight", "NaN"},
               [&] { quantize(model, resolved, nullptr, test::cpu(), {}); });
}

TEST(Quantize, AFullDiskLeavesNothing) {
  const QuantizedModel quantized = quantize_without_data(mini_clip(), "fp8-weights");
  const TemporaryFolder folder;
  {
    const FileSizeLimit limit(100'000);
    expect_error(ErrorCode::failed, {"model.safetensors"},
                 [&] { save_quantized_model(quantized, mini_clip(), folder / "out", "0"); });
  }
  EXPECT_EQ(folder.entries(), 0);
}

TEST(Quantize, TargetsAreCheckedFirst) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::usage, {"the checkpoint itself"},
               [] { check_target(tinyclip(), kRoot / "examples/tinyclip"); });
  const auto file = folder.write("file", "x");
  expect_error(ErrorCode::failed, {"file"}, [&] { check_target(tinyclip(), file / "out"); });
  check_target(tinyclip(), folder / "new");
  EXPECT_FALSE(fs::exists(folder / "new"));
}

TEST(MakeStatic, DynamicInputsGetScales) {
  const std::string folder = "tests/golden/interop/hf-fp8/clip-compressed-tensors-dynamic";
  const ClipModel model = test::open_model(folder);
  const auto reference = checkpoint::read_safetensors(kRoot / folder / "reference.safetensors");
  CalibrationData data(
      [] {
        std::vector<std::unique_ptr<data::Dataset>> sets;
        sets.push_back(data::open_dataset(kRoot / "examples/tinyclip/calib"));
        return sets;
      }(),
      data::Preprocessor::from_folder(mini_clip().checkpoint().folder, 32),
      data::Tokenizer::from_folder(mini_clip().checkpoint().folder, {}), {.size = 32});
  const auto stored = make_static(model, data, test::cpu(), {});
  for (const auto& [name, quantizer] : stored.quantizers) {
    EXPECT_FALSE(quantizer.dynamic_per_token) << name;
    EXPECT_GT(quantizer.scale.count(), 0) << name;
  }
  Graph graph = model.build(Tower::image, {DType::f32});
  apply_stored(graph, stored, {});
  EXPECT_EQ(test::count_nodes(graph, "FakeQuantizeRows", kOctetDomain), 0);
  const Tensor features = test::run(graph, test::reference(),
                                    convert(reference.tensors.at("pixel_values"), DType::f32));
  const auto cosines =
      test::row_cosines(features, convert(reference.tensors.at("image_features"), DType::f32));
  EXPECT_GE(cosines.mean, 0.99);
}

}  // namespace
}  // namespace octet::quant
