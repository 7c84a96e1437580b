#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octet::data {

/// How the pixels of a decoded image are to be understood; the modes of the reference library.
enum class PixelMode : uint8_t { l, la, p, one, i16, rgb, rgba, cmyk };

/// A decoded image before any conversion: interleaved channels, rows top to bottom, no padding.
struct Image {
  int width = 0;
  int height = 0;
  PixelMode mode = PixelMode::rgb;
  int channels = 3;
  std::vector<uint8_t> pixels;   ///< height * width * channels; i16 holds 2 bytes per pixel
  std::vector<uint8_t> palette;  ///< mode p: RGB triplets
};

/// Decodes JPEG, PNG or WebP, recognised by content; the first frame. EXIF orientation and colour
/// profiles are ignored. `where` names the bytes in messages. Throws `Error(bad_input)` for an
/// unknown format, a truncated or damaged file, or more than 178,956,970 pixels.
Image decode_image(std::span<const std::byte> bytes, std::string_view where);

}  // namespace octet::data
