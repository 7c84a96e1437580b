#include "data/preprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "data/pixel_modes.h"
#include "tests/data/sha256.h"

namespace octet::data {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

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
                         [](const auto& info) {
                           std::string name = info.param.file;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace octet::data
