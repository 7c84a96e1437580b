#include "data/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/json.h"
#include "data/pixel_modes.h"
#include "tests/data/sha256.h"

namespace octet::data {
namespace {

const std::filesystem::path kGolden =
    std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/preprocess";

/// The byte pattern of make.py.
Image patterned_image(PixelMode mode, int width, int height) {
  Image image{width, height, mode, channel_count(mode), {}, {}};
  const int64_t count = int64_t{width} * height * image.channels;
  for (int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<uint8_t>(i * i * 31 + i * 17 + (i >> 3) * 101);
    image.pixels.push_back(mode == PixelMode::one ? value % 2 * 255 : value);
  }
  return image;
}

PixelMode mode_of(const std::string& name) {
  static const std::map<std::string, PixelMode> modes = {
      {"L", PixelMode::l},       {"LA", PixelMode::la},     {"RGB", PixelMode::rgb},
      {"RGBA", PixelMode::rgba}, {"CMYK", PixelMode::cmyk}, {"1", PixelMode::one}};
  return modes.at(name);
}

TEST(Resize, EveryFilterMatchesTheReference) {
  const Json rows = read_json(kGolden / "resize.json");
  EXPECT_EQ(rows.size(), 324U);
  for (const Json& row : rows) {
    const Image image = patterned_image(mode_of(row[0]), row[1][0], row[1][1]);
    const int width = row[2][0];
    const int height = row[2][1];
    const auto filter = static_cast<ResampleFilter>(row[3].get<int>());
    const Image resized = to_rgb(resize(image, width, height, filter, {0, 0, width, height}));
    EXPECT_EQ(sha256(std::as_bytes(std::span(resized.pixels))), row[4]) << row;
  }
}

TEST(Resize, AWindowIsAPartOfTheWhole) {
  for (const PixelMode mode : {PixelMode::l, PixelMode::rgb, PixelMode::rgba, PixelMode::one}) {
    const Image image = patterned_image(mode, 37, 52);
    const size_t pixel = bytes_per_pixel(mode);
    const Window window{11, 23, 30, 17};
    const Image whole = resize(image, 61, 40, ResampleFilter::bicubic, {0, 0, 61, 40});
    const Image part = resize(image, 61, 40, ResampleFilter::bicubic, window);
    ASSERT_EQ(part.pixels.size(), pixel * 30 * 17);
    for (size_t y = 0; y < 17; ++y) {
      const auto row = std::span(part.pixels).subspan(y * 30 * pixel, 30 * pixel);
      const auto expected =
          std::span(whole.pixels).subspan(((y + 23) * 61 + 11) * pixel, 30 * pixel);
      EXPECT_TRUE(std::ranges::equal(row, expected)) << "row " << y;
    }
  }
}

}  // namespace
}  // namespace octet::data
