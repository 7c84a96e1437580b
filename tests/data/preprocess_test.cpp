#include "data/preprocess.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "data/pixel_modes.h"
#include "tests/data/sha256.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace octet::data {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(OCTET_SOURCE_DIR) / "tests/golden/preprocess";

struct Reference {
  std::string file;
  Json expected;
  friend void PrintTo(const Reference& reference, std::ostream* out) { *out << reference.file; }
};

std::vector<Reference> references() {
  std::vector<Reference> all;
  const Json table = read_json(kGolden / "reference.json");
  for (const Json& entry : table.at("images")) {
    if (!entry.contains("error")) all.push_back({entry.at("file"), entry});
  }
  return all;
}

Image decode_file(const fs::path& path) {
  return decode_image(MappedFile::open(path)->bytes(), path.string());
}

std::string digest(std::span<const uint8_t> pixels) {
  return sha256(std::as_bytes(pixels));
}

class PreprocessReference : public ::testing::TestWithParam<Reference> {
 protected:
  [[nodiscard]] Image image() const { return decode_file(kGolden / GetParam().file); }
  [[nodiscard]] std::string expected(const char* key) const { return GetParam().expected.at(key); }
};

TEST_P(PreprocessReference, DecodedPixelsMatch) {
  EXPECT_EQ(digest(to_rgb(image()).pixels), expected("rgb_sha256"));
}

TEST_P(PreprocessReference, HuggingFaceOrderMatches) {
  EXPECT_EQ(digest(Preprocessor{}.to_pixels(image())), expected("hf_sha256"));
}

TEST_P(PreprocessReference, OpenAiOrderMatches) {
  Preprocessor rules;
  rules.order = PreprocessOrder::openai;
  EXPECT_EQ(digest(rules.to_pixels(image())), expected("openai_sha256"));
}

TEST_P(PreprocessReference, ValuesMatch) {
  std::vector<float> values(size_t{3} * 224 * 224);
  Preprocessor{}.to_values(image(), values);
  EXPECT_EQ(sha256(std::as_bytes(std::span(values))), expected("hf_pixel_values_f32_chw_sha256"));
}

INSTANTIATE_TEST_SUITE_P(Golden, PreprocessReference, ::testing::ValuesIn(references()),
                         [](const auto& test) {
                           std::string name = test.param.file;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

TEST(Preprocess, OpenAiValuesAreScaledInSinglePrecision) {
  Preprocessor rules;
  rules.order = PreprocessOrder::openai;
  rules.crop_width = rules.crop_height = rules.resize_width = rules.resize_height = 16;
  Image image{16, 16, PixelMode::rgb, 3, {}, {}};
  for (int i = 0; i < 3 * 256; ++i) image.pixels.push_back(static_cast<uint8_t>(i / 3));
  std::vector<float> values(size_t{3} * 256);
  rules.to_values(image, values);
  for (size_t i = 0; i < values.size(); ++i) {
    const float scaled = static_cast<float>(i % 256) / 255.0f;
    EXPECT_EQ(values[i], (scaled - rules.mean[i / 256]) / rules.std[i / 256]);
  }
}

/// A grey ramp of `width` x 1; its first pixel is 1.
Image ramp(int width) {
  Image image{width, 1, PixelMode::l, 1, {}, {}};
  for (int x = 0; x < width; ++x) image.pixels.push_back(static_cast<uint8_t>(x + 1));
  return image;
}

/// What is left of a ramp: its first channel.
std::vector<int> cropped_ramp(PreprocessOrder order, int width, int crop) {
  Preprocessor rules;
  rules.order = order;
  rules.resize = false;
  rules.crop_width = crop;
  rules.crop_height = 1;
  const auto pixels = rules.to_pixels(ramp(width));
  std::vector<int> red;
  for (size_t i = 0; i < pixels.size(); i += 3) red.push_back(pixels[i]);
  return red;
}

TEST(Preprocess, TheOrdersRoundTheCropTheirOwnWay) {
  using enum PreprocessOrder;
  EXPECT_EQ(cropped_ramp(hf, 5, 2), (std::vector{2, 3}));      // 1.5 rounds down
  EXPECT_EQ(cropped_ramp(openai, 5, 2), (std::vector{3, 4}));  // 1.5 goes to the even 2
  EXPECT_EQ(cropped_ramp(hf, 7, 2), (std::vector{3, 4}));      // 2.5: both take 2
  EXPECT_EQ(cropped_ramp(openai, 7, 2), (std::vector{3, 4}));
}

TEST(Preprocess, ASmallerImageIsSurroundedByZeros) {
  using enum PreprocessOrder;
  EXPECT_EQ(cropped_ramp(hf, 2, 5), (std::vector{0, 0, 1, 2, 0}));
  EXPECT_EQ(cropped_ramp(openai, 2, 5), (std::vector{0, 1, 2, 0, 0}));
}

TEST(Preprocess, WithoutCropOrSquashAnOddShapeIsAnError) {
  Preprocessor rules;
  rules.crop = false;
  test::expect_error(ErrorCode::usage, {"9 x 1 image 2016 x 224"},
                     [&] { (void)rules.to_pixels(ramp(9)); });
}

Preprocessor parse(const char* text) {
  return Preprocessor::from_config(parse_json(text, "config"), "config");
}

TEST(PreprocessConfig, ReadsTheCurrentSpelling) {
  const Preprocessor rules = parse(R"({
    "image_processor_type": "CLIPImageProcessor", "do_resize": true, "do_center_crop": true,
    "size": {"shortest_edge": 96}, "crop_size": {"height": 64, "width": 80}, "resample": 2,
    "do_rescale": true, "rescale_factor": 0.5, "do_normalize": true,
    "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "do_convert_rgb": true})");
  EXPECT_TRUE(rules.keep_aspect);
  EXPECT_EQ(rules.resize_width, 96);
  EXPECT_EQ(rules.crop_height, 64);
  EXPECT_EQ(rules.crop_width, 80);
  EXPECT_EQ(rules.resample, ResampleFilter::bilinear);
  EXPECT_EQ(rules.rescale_factor, 0.5);
  EXPECT_EQ(rules.mean, (std::array{0.1f, 0.2f, 0.3f}));
  EXPECT_EQ(rules.std, (std::array{0.4f, 0.5f, 0.6f}));
}

TEST(PreprocessConfig, ReadsTheOldSpelling) {
  const Preprocessor rules = parse(R"({"feature_extractor_type": "CLIPFeatureExtractor",
    "size": 336, "crop_size": 320, "do_normalize": false})");
  EXPECT_TRUE(rules.keep_aspect);
  EXPECT_EQ(rules.resize_height, 336);
  EXPECT_EQ(rules.crop_width, 320);
  EXPECT_EQ(rules.crop_height, 320);
  EXPECT_FALSE(rules.normalize);
  EXPECT_EQ(rules.resample, ResampleFilter::bicubic);
}

TEST(PreprocessConfig, ReadsAWrappedConfigWithNulls) {
  const Preprocessor rules = parse(R"({"processor_class": "CLIPProcessor", "image_processor": {
    "image_processor_type": "CLIPImageProcessorFast", "crop_size": {"height": 32, "width": 32},
    "size": {"shortest_edge": 32, "longest_edge": null, "height": null}, "image_mean": null}})");
  EXPECT_TRUE(rules.keep_aspect);
  EXPECT_EQ(rules.resize_width, 32);
  EXPECT_EQ(rules.mean, Preprocessor{}.mean);
}

TEST(PreprocessConfig, OtherFamiliesHaveTheirOwnDefaults) {
  const Preprocessor siglip = parse(
      R"({"image_processor_type": "SiglipImageProcessor", "size": {"height": 224, "width": 192}})");
  EXPECT_FALSE(siglip.keep_aspect);
  EXPECT_FALSE(siglip.crop);
  EXPECT_EQ(siglip.output_height(), 224);
  EXPECT_EQ(siglip.output_width(), 192);
  EXPECT_EQ(siglip.mean, (std::array{0.5f, 0.5f, 0.5f}));
  EXPECT_EQ(parse(R"({"image_processor_type": "ViTImageProcessor", "size": 224})").resample,
            ResampleFilter::bilinear);
}

TEST(PreprocessConfig, RefusesWhatItCannotFollow) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"image_processor_type": "DonutImageProcessor"})", "DonutImageProcessor"},
      {R"({"size": {"longest_edge": 224}})", "longest edge"},
      {R"({"size": {"height": 224}})", "'width'"},
      {R"({"size": "big"})", "'size'"},
      {R"({"size": 0})", "between 1 and"},
      {R"({"resample": 6})", "'resample'"},
      {R"({"image_mean": [0.5]})", "'image_mean'"},
      {R"({"image_std": [0.5, 0, 0.5]})", "'image_std'"},
      {R"({"do_resize": "yes"})", "'do_resize'"},
      {R"({"do_center_crop": false})", "do_center_crop"},
      {R"([1])", "not a JSON object"}};
  for (const auto& [text, part] : cases) {
    SCOPED_TRACE(text);
    test::expect_error(ErrorCode::bad_input, {part}, [text = text] { parse(text); });
  }
}

TEST(PreprocessConfig, AFolderDecidesOrClipsDefaultsHold) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(Preprocessor::from_folder(folder.path(), 96).crop_width, 96);
  EXPECT_EQ(Preprocessor::from_folder(folder.path(), 96).resize_height, 96);
  folder.write("processor_config.json", R"({"processor_class": "CLIPProcessor"})");
  EXPECT_EQ(Preprocessor::from_folder(folder.path(), 96).crop_width, 96);
  folder.write("processor_config.json", R"({"image_processor": {"crop_size": 48}})");
  EXPECT_EQ(Preprocessor::from_folder(folder.path(), 96).crop_width, 48);
  folder.write("preprocessor_config.json", R"({"crop_size": 24})");
  EXPECT_EQ(Preprocessor::from_folder(folder.path(), 96).crop_width, 24);
}

}  // namespace
}  // namespace octet::data
