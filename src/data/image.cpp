#include "data/image.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "data/image_formats.h"
#include "data/pixel_modes.h"

namespace octet::data {
namespace {

bool has_bytes(std::span<const std::byte> bytes, size_t offset, std::string_view expected) {
  if (bytes.size() < offset + expected.size()) return false;
  return std::ranges::equal(bytes.subspan(offset, expected.size()),
                            std::as_bytes(std::span(expected)));
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, std::string_view where) {
  if (has_bytes(bytes, 0, "\xFF\xD8\xFF")) return decode_jpeg(bytes, where);
  if (has_bytes(bytes, 0, "\x89PNG\r\n\x1A\n")) return decode_png(bytes, where);
  if (has_bytes(bytes, 0, "RIFF") && has_bytes(bytes, 8, "WEBP")) return decode_webp(bytes, where);
  if (bytes.empty()) fail_input("{}: the image file is empty", where);
  fail_input("{}: not a JPEG, PNG or WebP image; convert it to one of these", where);
}

Image allocate_image(int64_t width, int64_t height, PixelMode mode, std::string_view where) {
  if (width <= 0 || height <= 0) fail_input("{}: the image has no pixels", where);
  if (width > kMaxImagePixels / height) {
    fail_input("{}: {} x {} pixels are more than the {} an image may have; scale it down", where,
               width, height, kMaxImagePixels);
  }
  Image image;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.mode = mode;
  image.channels = channel_count(mode);
  image.pixels.resize(static_cast<size_t>(width * height) * bytes_per_pixel(mode));
  return image;
}

}  // namespace octet::data
