#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace octet::data {

/// How the pixels of an image are to be understood; the names of the Python imaging library.
enum class PixelMode : uint8_t {
  l,    ///< grey
  la,   ///< grey, alpha
  p,    ///< index into the palette
  one,  ///< two levels, stored as 0 and 255
  i16,  ///< 16-bit grey, 2 bytes in the machine's order
  rgb,
  rgba,
  cmyk,  ///< ink amounts: 0 is paper white
};

/// A decoded image before any conversion: interleaved channels, rows top to bottom, no padding.
struct Image {
  int width = 0;
  int height = 0;
  PixelMode mode = PixelMode::rgb;
  int channels = 3;
  std::vector<uint8_t> pixels;   ///< height * width * channels; i16 holds 2 bytes per pixel
  std::vector<uint8_t> palette;  ///< mode p: 256 RGB triplets
};

/// Images with more pixels are refused: a small file can claim to be huge.
inline constexpr int64_t kMaxImagePixels = 178'956'970;

/// Decodes JPEG, PNG or WebP, recognised by content; the first frame. EXIF orientation and colour
/// profiles are ignored. `where` names the bytes in messages. Throws `Error(bad_input)` for an
/// unknown format, a truncated or damaged file, or more than `kMaxImagePixels`. Thread-safe.
Image decode_image(std::span<const std::byte> bytes, std::string_view where);

}  // namespace octet::data
