#include "data/image.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "data/pixel_modes.h"
#include "tests/data/sha256.h"
#include "tests/expect_error.h"

namespace octet::data {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(OCTET_SOURCE_DIR) / "tests/golden/preprocess";

std::vector<std::byte> read_bytes(const fs::path& path) {
  const auto file = MappedFile::open(path);
  return {file->bytes().begin(), file->bytes().end()};
}

/// Broken bytes must be named by what they are called and by what is wrong.
void expect_broken(std::span<const std::byte> bytes, const std::string& part) {
  test::expect_error(ErrorCode::bad_input, {"photo: ", part},
                     [&] { (void)decode_image(bytes, "photo"); });
}

TEST(DecodeImage, DecodesEveryKindOfPngAndWebp) {
  const Json digests = read_json(kGolden / "modes.json");
  EXPECT_GE(digests.size(), 18U);
  for (const auto& [name, digest] : digests.items()) {
    const Image image = decode_image(read_bytes(kGolden / "modes" / name), name);
    const std::vector<uint8_t> pixels = to_rgb(image).pixels;
    EXPECT_EQ(sha256(std::as_bytes(std::span(pixels))), digest) << name;
  }
}

TEST(DecodeImage, KeepsTheModeOfTheFile) {
  const std::pair<const char*, PixelMode> expected[] = {
      {"CLIP.png", PixelMode::rgba},
      {"bilevel_1.png", PixelMode::one},
      {"gray16_I16.png", PixelMode::i16},
      {"gray_L.png", PixelMode::l},
      {"gray_alpha_LA.png", PixelMode::la},
      {"jpeg_420_q75.jpg", PixelMode::rgb},
      {"jpeg_cmyk.jpg", PixelMode::cmyk},
      {"jpeg_gray.jpg", PixelMode::l},
      {"palette_trns_P.png", PixelMode::p},
      {"webp_lossless.webp", PixelMode::rgb},
      {"modes/lossy_alpha.webp", PixelMode::rgba}};
  for (const auto& [name, mode] : expected) {
    const Image image = decode_image(read_bytes(kGolden / name), name);
    EXPECT_EQ(image.mode, mode) << name;
    EXPECT_EQ(image.channels, channel_count(mode)) << name;
  }
}

TEST(DecodeImage, IgnoresTheExifOrientation) {
  const Image image = decode_image(read_bytes(kGolden / "jpeg_exif_orientation6.jpg"), "photo");
  EXPECT_EQ(image.width, 331);
  EXPECT_EQ(image.height, 257);
}

TEST(DecodeImage, NamesATruncatedJpeg) {
  expect_broken(read_bytes(kGolden / "jpeg_truncated.jpg"), "truncated");
}

TEST(DecodeImage, RefusesEveryFormatCutAnywhere) {
  for (const char* name : {"jpeg_progressive.jpg", "rgb_32x32_up.png", "webp_lossless.webp",
                           "modes/animated.webp", "modes/lossy.webp"}) {
    const auto whole = read_bytes(kGolden / name);
    for (size_t part = 1; part < 20; ++part) {
      expect_broken(std::span(whole).first(whole.size() * part / 20), "");
    }
  }
}

TEST(DecodeImage, NamesWhatIsNoImage) {
  expect_broken({}, "empty");
  const std::string text = "GIF89a is another format";
  expect_broken(std::as_bytes(std::span(text)), "not a JPEG, PNG or WebP");
}

TEST(DecodeImage, RefusesTooManyPixels) {
  auto jpeg = read_bytes(kGolden / "jpeg_444_q90.jpg");
  constexpr std::array kFrame{std::byte{0xFF}, std::byte{0xC0}};
  const auto frame = std::search(jpeg.begin(), jpeg.end(), kFrame.begin(), kFrame.end());
  ASSERT_TRUE(frame != jpeg.end());
  constexpr int kHeightAndWidth = 5;  // behind the marker, its length and the precision
  std::fill_n(frame + kHeightAndWidth, 4, std::byte{0x7F});
  expect_broken(jpeg, "32639 x 32639 pixels");
}

TEST(DecodeImage, SurvivesFlippedBytes) {
  for (const char* name : {"jpeg_422_q85.jpg", "palette_P.png", "modes/lossy_alpha.webp"}) {
    const auto whole = read_bytes(kGolden / name);
    for (size_t at = 4; at < whole.size(); at += 1 + whole.size() / 97) {
      auto damaged = whole;
      damaged[at] ^= std::byte{0x5A};
      try {
        decode_image(damaged, "photo");
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::bad_input);
      }
    }
  }
}

}  // namespace
}  // namespace octet::data
