#pragma once

#include <cstdint>

#include "data/image.h"

namespace octet::data {

/// Resampling filters; the values are the Python imaging library's.
enum class ResampleFilter : int {
  nearest = 0,
  lanczos = 1,
  bilinear = 2,
  bicubic = 3,
  box = 4,
  hamming = 5,
};

/// The part of a resized image that is wanted, in pixels of the resized image.
struct Window {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

/// What `window` shows of `image` resized to `width` x `height`, to the bit what the Python imaging
/// library computes: each filter is widened when shrinking (antialias); columns first, then rows,
/// rounded to the pixel type in between; 8-bit channels with weights of 22 fractional bits, 16-bit
/// grey in double. Palette and two-level images are always resized by nearest; alpha is multiplied
/// into the colours first. A size that does not change is not filtered.
/// `window` must lie inside the resized image. Mode and palette stay. Thread-safe.
Image resize(const Image& image, int width, int height, ResampleFilter filter, Window window);

}  // namespace octet::data
