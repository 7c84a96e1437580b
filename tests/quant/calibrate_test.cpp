#include "quant/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/log.h"
#include "quant/quantize.h"
#include "tensor/codecs.h"
#include "tests/expect_error.h"
#include "tests/quant/model_runs.h"
#include "tests/temporary_folder.h"

namespace octet::quant {
namespace {

using models::Tower;
using octet::test::expect_error;
using octet::test::TemporaryFolder;
using test::tinyclip;

namespace fs = std::filesystem;
const fs::path kData = fs::path(OCTET_SOURCE_DIR) / "examples/tinyclip/calib";

Resolved resolve_for(const models::ClipModel& model, const std::string& recipe,
                     const std::string& calibrator = "") {
  Recipe opened = open_recipe(recipe);
  if (!calibrator.empty()) set_calibrator(opened, parse_calibrator(calibrator));
  return resolve(opened, find_points(model));
}

CalibrationData open_data(const models::ClipModel& model, const std::vector<fs::path>& paths,
                          CalibrationOptions options = {}) {
  return CalibrationData::open(model, paths, options);
}

AmaxByName calibrate_on(const models::ClipModel& model, const fs::path& path, int64_t size,
                        int64_t batch, const std::string& calibrator = "", uint64_t seed = 0) {
  CalibrationOptions options;
  options.size = size;
  options.seed = seed;
  CalibrationData data = open_data(model, {path}, options);
  return calibrate(model, resolve_for(model, "fp8", calibrator), data, test::cpu(), {batch, {}});
}

TEST(Calibrate, EveryActivationGetsARange) {
  const Resolved resolved = resolve_for(tinyclip(), "fp8");
  const AmaxByName amax = calibrate_on(tinyclip(), kData, 16, 8);
  EXPECT_EQ(static_cast<int64_t>(amax.size()),
            count_needing_data(resolved, Tower::text) + count_needing_data(resolved, Tower::image));
  for (const auto& [name, value] : amax) {
    EXPECT_GT(value, 0) << name;
    EXPECT_TRUE(std::isfinite(value)) << name;
  }
  // They look at one tensor.
  const std::string attention = "text_model.encoder.layers.0.self_attn.";
  EXPECT_EQ(amax.at(attention + "q_proj.input_quantizer"),
            amax.at(attention + "v_proj.input_quantizer"));
}

TEST(Calibrate, TheBatchSizeNeverChangesTheResult) {
  for (const char* calibrator : {"max", "entropy", "mse", "percentile:99.9"}) {
    const AmaxByName one = calibrate_on(tinyclip(), kData, 12, 1, calibrator);
    EXPECT_EQ(one, calibrate_on(tinyclip(), kData, 12, 5, calibrator)) << calibrator;
    EXPECT_EQ(one, calibrate_on(tinyclip(), kData, 12, 12, calibrator)) << calibrator;
  }
}

TEST(Calibrate, TheSeedChoosesTheSamples) {
  const AmaxByName first = calibrate_on(tinyclip(), kData, 8, 8, "", 1);
  EXPECT_EQ(first, calibrate_on(tinyclip(), kData, 8, 8, "", 1));
  EXPECT_NE(first, calibrate_on(tinyclip(), kData, 8, 8, "", 2));
}

TEST(Calibrate, PercentileKeepsLessThanMax) {
  const AmaxByName max = calibrate_on(tinyclip(), kData, 8, 8);
  const AmaxByName percentile = calibrate_on(tinyclip(), kData, 8, 8, "percentile:99");
  for (const auto& [name, value] : percentile) EXPECT_LT(value, max.at(name)) << name;
}

TEST(Calibrate, BothBackendsSeeTheSameImages) {
  CalibrationOptions options;
  options.size = 4;
  CalibrationData data = open_data(tinyclip(), {kData}, options);
  const Resolved resolved = resolve_for(tinyclip(), "fp8");
  const AmaxByName fast = calibrate(tinyclip(), resolved, data, test::cpu(), {4, {}});
  const AmaxByName plain = calibrate(tinyclip(), resolved, data, test::reference(), {4, {}});
  constexpr double kRounding = 1e-4;
  for (const auto& [name, value] : fast) {
    // The reference engine computes the padding of texts too.
    if (name.starts_with("text")) {
      EXPECT_LE(value, plain.at(name) * (1 + kRounding)) << name;
    } else {
      EXPECT_NEAR(value, plain.at(name), plain.at(name) * kRounding) << name;
    }
  }
}

/// tinyclip with one element of a tensor replaced.
models::ClipModel with_element(const std::string& name, int64_t index, float value) {
  auto checkpoint = checkpoint::open_checkpoint(fs::path(OCTET_SOURCE_DIR) / "examples/tinyclip");
  Tensor& tensor = checkpoint.tensors.at(name);
  tensor = convert(tensor, DType::f32).clone();
  tensor.mutable_values<float>()[static_cast<size_t>(index)] = value;
  return models::ClipModel(std::move(checkpoint));
}

TEST(Calibrate, NanInAnActivationNamesTheTensor) {
  // Its product with any activation above 1.2 is beyond FP32.
  const models::ClipModel model =
      with_element("vision_model.encoder.layers.2.mlp.fc1.weight", 3, 3e38F);
  CalibrationData data = open_data(model, {kData}, {.size = 2});
  const Resolved resolved = resolve_for(model, "fp8");
  expect_error(ErrorCode::failed,
               {"vision_model.encoder.layers.2.mlp.fc2.input_quantizer", "NaN or infinity"}, [&] {
                 calibrate(model, resolved, data, test::cpu(), {2, {}});
               });
}

TEST(CalibrationData, TextAloneDoesNotFeedTheImageTower) {
  const TemporaryFolder folder;
  const auto text = folder.write("captions.txt", "a red circle\na blue square\n");
  CalibrationData data = open_data(tinyclip(), {text});
  EXPECT_TRUE(data.feeds(Tower::text));
  EXPECT_FALSE(data.feeds(Tower::image));
  const Resolved resolved = resolve_for(tinyclip(), "fp8");
  expect_error(ErrorCode::bad_input, {"no images", "image tower"}, [&] {
    calibrate(tinyclip(), resolved, data, test::cpu(), {2, {}});
  });
}

TEST(CalibrationData, ImagesAndTextMayComeFromTwoSets) {
  const TemporaryFolder folder;
  const auto text = folder.write("captions.txt", "a red circle\na blue square\n");
  fs::create_directory(folder / "images");
  const fs::path picture =
      fs::path(OCTET_SOURCE_DIR) / "tests/golden/preprocess/rgb_40x300_tall.png";
  for (const char* name : {"a.png", "b.png", "c.png"}) {
    fs::copy_file(picture, folder.path() / "images" / name);
  }
  CalibrationData images = open_data(tinyclip(), {folder / "images"});
  const Resolved resolved = resolve_for(tinyclip(), "fp8");
  expect_error(ErrorCode::bad_input, {"no captions", "text tower"}, [&] {
    calibrate(tinyclip(), resolved, images, test::cpu(), {2, {}});
  });
  CalibrationData both = open_data(tinyclip(), {folder / "images", text});
  calibrate(tinyclip(), resolved, both, test::cpu(), {2, {}});
  EXPECT_EQ(both.used(Tower::text), 2);
  EXPECT_EQ(both.used(Tower::image), 3);
}

TEST(CalibrationData, UnreadableImagesAreSkippedAndCounted) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "images");
  const fs::path pictures = fs::path(OCTET_SOURCE_DIR) / "tests/golden/preprocess";
  fs::copy_file(pictures / "rgb_40x300_tall.png", folder.path() / "images/a.png");
  fs::copy_file(pictures / "jpeg_truncated.jpg", folder.path() / "images/b.jpg");
  fs::copy_file(pictures / "gray_L.png", folder.path() / "images/c.png");
  const auto count = [](const Tensor&) {};
  std::string warning;
  set_log_handler([&](LogLevel, const std::string& message) { warning += message; });
  CalibrationData data = open_data(tinyclip(), {folder / "images"});
  data.run(Tower::image, 2, {}, count);
  set_log_handler({});
  EXPECT_EQ(data.unreadable(), 1);
  EXPECT_EQ(data.used(Tower::image), 2);
  EXPECT_THAT(warning, testing::HasSubstr("b.jpg"));
  CalibrationData strict = open_data(tinyclip(), {folder / "images"}, {.strict = true});
  expect_error(ErrorCode::bad_input, {"b.jpg"}, [&] { strict.run(Tower::image, 2, {}, count); });
}

TEST(CalibrationData, ASetWithoutOneReadableImageIsAnError) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "images");
  fs::copy_file(fs::path(OCTET_SOURCE_DIR) / "tests/golden/preprocess/jpeg_truncated.jpg",
                folder.path() / "images/b.jpg");
  CalibrationData data = open_data(tinyclip(), {folder / "images"});
  expect_error(ErrorCode::bad_input, {"no usable image"},
               [&] { data.run(Tower::image, 2, {}, [](const Tensor&) {}); });
  expect_error(ErrorCode::bad_input, {}, [&] {
    fs::create_directory(folder / "empty");
    open_data(tinyclip(), {folder / "empty"});
  });
}

}  // namespace
}  // namespace octet::quant
