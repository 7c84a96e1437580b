#include "data/preprocess.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "data/pixel_modes.h"

namespace octet::data {
namespace {

struct Size {
  int width = 0;
  int height = 0;
  friend bool operator==(const Size&, const Size&) = default;
};

Size resized_size(const Preprocessor& rules, const Image& image) {
  if (!rules.resize) return {image.width, image.height};
  if (!rules.keep_aspect) return {rules.resize_width, rules.resize_height};
  const int edge = rules.resize_width;
  const auto longer = [edge](int long_side, int short_side) {
    return static_cast<int>(static_cast<double>(int64_t{edge} * long_side) / short_side);
  };
  if (image.width <= image.height) return {edge, longer(image.height, image.width)};
  return {longer(image.width, image.height), edge};
}

/// Where the crop begins, in pixels of the resized image; negative when that is too small.
int crop_origin(PreprocessOrder order, int resized, int crop) {
  const int surplus = resized - crop;
  if (order == PreprocessOrder::hf) return (surplus - (surplus < 0 && surplus % 2 != 0)) / 2;
  if (surplus < 0) return -(-surplus / 2);
  const int half = surplus / 2;
  return surplus % 2 != 0 ? half + half % 2 : half;  // a tie goes to the even neighbour
}

struct Interval {
  int begin = 0;
  int end = 0;
};

/// The part of [origin, origin + length) that lies in [0, limit).
Interval clip(int origin, int length, int limit) {
  return {std::max(origin, 0), std::min(origin + length, limit)};
}

/// `part` on a black canvas (zero in its own mode).
Image place_on_canvas(const Image& part, Size canvas, int left, int top) {
  Image result = part;
  result.width = canvas.width;
  result.height = canvas.height;
  const size_t pixel = bytes_per_pixel(part.mode);
  const size_t stride = pixel * static_cast<size_t>(canvas.width);
  const size_t part_stride = pixel * static_cast<size_t>(part.width);
  result.pixels.assign(stride * static_cast<size_t>(canvas.height), 0);
  uint8_t* target =
      &result.pixels[stride * static_cast<size_t>(top) + pixel * static_cast<size_t>(left)];
  for (int y = 0; y < part.height; ++y, target += stride) {
    std::copy_n(&part.pixels[part_stride * static_cast<size_t>(y)], part_stride, target);
  }
  return result;
}

/// Resize and crop in one step, in the image's own mode: only pixels that stay are computed.
Image resize_and_crop(const Preprocessor& rules, const Image& image) {
  const Size resized = resized_size(rules, image);
  const Size output{rules.output_width(), rules.output_height()};
  if (!rules.crop && resized != output) {
    fail(ErrorCode::usage,
         "preprocessing without centre crop makes a {} x {} image {} x {}, not {} x {}; turn on "
         "do_center_crop or give size as height and width",
         image.width, image.height, resized.width, resized.height, output.width, output.height);
  }
  const int left = crop_origin(rules.order, resized.width, output.width);
  const int top = crop_origin(rules.order, resized.height, output.height);
  const Interval columns = clip(left, output.width, resized.width);
  const Interval rows = clip(top, output.height, resized.height);
  const Window window{columns.begin, rows.begin, columns.end - columns.begin,
                      rows.end - rows.begin};
  Image part = data::resize(image, resized.width, resized.height, rules.resample, window);
  if (part.width == output.width && part.height == output.height) return part;
  return place_on_canvas(part, output, columns.begin - left, rows.begin - top);
}

/// The FP32 value of each of the 256 levels of one channel.
std::array<float, 256> value_table(const Preprocessor& rules, size_t channel) {
  std::array<float, 256> table;
  for (int level = 0; level < 256; ++level) {
    auto value = static_cast<float>(level);
    if (rules.rescale && rules.order == PreprocessOrder::hf) {
      value = static_cast<float>(level * rules.rescale_factor);
    } else if (rules.rescale) {
      value /= 255.0f;
    }
    if (rules.normalize) value = (value - rules.mean[channel]) / rules.std[channel];
    table[static_cast<size_t>(level)] = value;
  }
  return table;
}

}  // namespace

std::vector<uint8_t> Preprocessor::to_pixels(const Image& image) const {
  if (order == PreprocessOrder::hf && image.mode != PixelMode::rgb) {
    return resize_and_crop(*this, to_rgb(image)).pixels;
  }
  return to_rgb(resize_and_crop(*this, image)).pixels;
}

void Preprocessor::to_values(const Image& image, std::span<float> target) const {
  const std::vector<uint8_t> pixels = to_pixels(image);
  check(target.size() == pixels.size(), "{} values for {} places", pixels.size(), target.size());
  const size_t plane = pixels.size() / 3;
  for (size_t channel = 0; channel < 3; ++channel) {
    const auto table = value_table(*this, channel);
    float* out = &target[channel * plane];
    for (size_t i = 0; i < plane; ++i) out[i] = table[pixels[3 * i + channel]];
  }
}

}  // namespace octet::data
