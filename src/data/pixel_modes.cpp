#include "data/pixel_modes.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace octet::data {
namespace {

/// a * b / 255 rounded to nearest, without a division.
uint8_t scale_255(uint32_t a, uint32_t b) {
  const uint32_t product = a * b + 128;
  return static_cast<uint8_t>((product + (product >> 8)) >> 8);
}

/// Fills `target` (RGB) by `convert(source pixel, target pixel)`.
template <typename Convert>
void convert_pixels(const Image& source, Image& target, Convert convert) {
  const size_t step = bytes_per_pixel(source.mode);
  uint8_t* out = target.pixels.data();
  for (size_t i = 0; i < source.pixels.size(); i += step, out += 3) convert(&source.pixels[i], out);
}

void grey_to_rgb(const uint8_t* in, uint8_t* out) {
  out[0] = out[1] = out[2] = in[0];
}

void grey16_to_rgb(const uint8_t* in, uint8_t* out) {
  uint16_t value = 0;
  std::memcpy(&value, in, sizeof(value));
  out[0] = out[1] = out[2] = static_cast<uint8_t>(std::min<int>(value, 255));
}

void rgba_to_rgb(const uint8_t* in, uint8_t* out) {
  std::copy_n(in, 3, out);
}

void cmyk_to_rgb(const uint8_t* in, uint8_t* out) {
  const int light = 255 - in[3];
  for (int c = 0; c < 3; ++c) {
    const int absorbed = scale_255(in[c], static_cast<uint32_t>(light));
    out[c] = static_cast<uint8_t>(std::max(light - absorbed, 0));
  }
}

}  // namespace

int channel_count(PixelMode mode) {
  switch (mode) {
    case PixelMode::l:
    case PixelMode::p:
    case PixelMode::one:
    case PixelMode::i16:
      return 1;
    case PixelMode::la:
      return 2;
    case PixelMode::rgb:
      return 3;
    case PixelMode::rgba:
    case PixelMode::cmyk:
      return 4;
  }
  return 0;
}

size_t bytes_per_pixel(PixelMode mode) {
  return mode == PixelMode::i16 ? sizeof(uint16_t) : static_cast<size_t>(channel_count(mode));
}

Image to_rgb(Image image) {
  if (image.mode == PixelMode::rgb) return image;
  Image rgb;
  rgb.width = image.width;
  rgb.height = image.height;
  rgb.pixels.resize(size_t{3} * static_cast<size_t>(image.width) *
                    static_cast<size_t>(image.height));
  switch (image.mode) {
    case PixelMode::l:
    case PixelMode::la:
    case PixelMode::one:
      convert_pixels(image, rgb, grey_to_rgb);
      break;
    case PixelMode::p:
      check(image.palette.size() == size_t{3} * 256, "a palette has 256 colours");
      convert_pixels(image, rgb, [&](const uint8_t* in, uint8_t* out) {
        std::copy_n(&image.palette[size_t{3} * *in], 3, out);
      });
      break;
    case PixelMode::i16:
      convert_pixels(image, rgb, grey16_to_rgb);
      break;
    case PixelMode::rgba:
      convert_pixels(image, rgb, rgba_to_rgb);
      break;
    case PixelMode::cmyk:
      convert_pixels(image, rgb, cmyk_to_rgb);
      break;
    case PixelMode::rgb:
      break;
  }
  return rgb;
}

void premultiply_alpha(Image& image) {
  const size_t channels = bytes_per_pixel(image.mode);
  for (size_t i = 0; i < image.pixels.size(); i += channels) {
    uint8_t* pixel = &image.pixels[i];
    const uint8_t alpha = pixel[channels - 1];
    for (size_t c = 0; c + 1 < channels; ++c) pixel[c] = scale_255(pixel[c], alpha);
  }
}

void unpremultiply_alpha(Image& image) {
  const size_t channels = bytes_per_pixel(image.mode);
  for (size_t i = 0; i < image.pixels.size(); i += channels) {
    uint8_t* pixel = &image.pixels[i];
    const int alpha = pixel[channels - 1];
    if (alpha == 0 || alpha == 255) continue;
    for (size_t c = 0; c + 1 < channels; ++c) {
      pixel[c] = static_cast<uint8_t>(std::min(255 * pixel[c] / alpha, 255));
    }
  }
}

}  // namespace octet::data
