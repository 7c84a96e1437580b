#pragma once

#include <cstddef>

#include "data/image.h"

namespace octet::data {

[[nodiscard]] int channel_count(PixelMode mode);
[[nodiscard]] size_t bytes_per_pixel(PixelMode mode);

/// The image in mode rgb, as the reference library converts: alpha is dropped without blending,
/// 16-bit grey saturates at 255, CMYK is converted without a colour profile.
Image to_rgb(Image image);

/// Colour channels of an la or rgba image multiplied by alpha / 255, rounded to nearest.
void premultiply_alpha(Image& image);
/// The way back, rounded down; pixels with alpha 0 or 255 stay.
void unpremultiply_alpha(Image& image);

}  // namespace octet::data
