#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "data/image.h"

namespace octet::data {

/// One decoder per file format, behind `decode_image`; the bytes begin with the format's signature.
Image decode_jpeg(std::span<const std::byte> bytes, std::string_view where);
Image decode_png(std::span<const std::byte> bytes, std::string_view where);
Image decode_webp(std::span<const std::byte> bytes, std::string_view where);

/// An image of this size with its pixels allocated. Throws `Error(bad_input)` above the pixel cap.
Image allocate_image(int64_t width, int64_t height, PixelMode mode, std::string_view where);

}  // namespace octet::data
