#include "data/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "data/pixel_modes.h"
#include "data/resample_weights.h"

namespace octet::data {
namespace {

/// How 8-bit channels are summed: exact in integers, so the order of summation does not matter.
struct FixedPoint {
  using Pixel = uint8_t;
  using Number = int32_t;
  static constexpr Number kStart = 1 << (kWeightFractionBits - 1);
  static std::vector<Number> weights(std::span<const double> values) { return fixed_point(values); }
  static Pixel finish(Number sum) {
    return static_cast<Pixel>(std::clamp(sum >> kWeightFractionBits, 0, 255));
  }
};

/// How 16-bit grey is summed; between the passes it may leave the range of 16 bits.
struct Floating {
  using Pixel = int32_t;
  using Number = double;
  static constexpr Number kStart = 0.0;
  static std::vector<Number> weights(std::span<const double> values) {
    return {values.begin(), values.end()};
  }
  static Pixel finish(Number sum) {
    const double magnitude = std::floor(std::abs(sum) + 0.5);
    return static_cast<Pixel>(sum < 0.0 ? -magnitude : magnitude);
  }
};

template <typename Sums, int Channels>
void filter_row(const typename Sums::Pixel* source, std::span<const Taps> taps,
                const typename Sums::Number* weights, typename Sums::Pixel* target) {
  for (const Taps& tap : taps) {
    std::array<typename Sums::Number, Channels> sum;
    sum.fill(Sums::kStart);
    const auto* in = source + static_cast<ptrdiff_t>(tap.begin) * Channels;
    const auto* weight = weights + tap.first_weight;
    for (int k = 0; k < tap.count; ++k, in += Channels) {
      for (int c = 0; c < Channels; ++c) sum[c] += weight[k] * in[c];
    }
    for (int c = 0; c < Channels; ++c) *target++ = Sums::finish(sum[c]);
  }
}

template <typename Sums>
auto choose_row_filter(size_t channels) {
  constexpr std::array kFilters = {filter_row<Sums, 1>, filter_row<Sums, 2>, filter_row<Sums, 3>,
                                   filter_row<Sums, 4>};
  return kFilters.at(channels - 1);
}

/// First pass: every row that the second one needs, from `source` rows of `stride` numbers.
template <typename Sums>
std::vector<typename Sums::Pixel> filter_columns(const typename Sums::Pixel* source, size_t stride,
                                                 size_t channels, const ResampleWeights& columns,
                                                 const ResampleWeights& rows) {
  const auto weights = Sums::weights(columns.values);
  const auto filter = choose_row_filter<Sums>(channels);
  const size_t row_size = columns.taps.size() * channels;
  std::vector<typename Sums::Pixel> target(
      row_size * static_cast<size_t>(rows.source_end - rows.source_begin));
  auto* out = target.data();
  for (int y = rows.source_begin; y < rows.source_end; ++y, out += row_size) {
    filter(source + stride * static_cast<size_t>(y), columns.taps, weights.data(), out);
  }
  return target;
}

/// Second pass, on the first one's result.
template <typename Sums>
std::vector<typename Sums::Pixel> filter_rows(std::span<const typename Sums::Pixel> source,
                                              size_t row_size, const ResampleWeights& rows) {
  const auto weights = Sums::weights(rows.values);
  std::vector<typename Sums::Pixel> target(row_size * rows.taps.size());
  std::vector<typename Sums::Number> sums(row_size);
  auto* out = target.data();
  for (const Taps& tap : rows.taps) {
    std::ranges::fill(sums, Sums::kStart);
    for (int k = 0; k < tap.count; ++k) {
      const auto* in = &source[row_size * static_cast<size_t>(tap.begin - rows.source_begin + k)];
      const auto weight = weights[tap.first_weight + static_cast<size_t>(k)];
      for (size_t i = 0; i < row_size; ++i) sums[i] += weight * in[i];
    }
    out = std::ranges::transform(sums, out, Sums::finish).out;
  }
  return target;
}

template <typename Sums>
std::vector<typename Sums::Pixel> filter_both(const typename Sums::Pixel* source, size_t width,
                                              size_t channels, const ResampleWeights& columns,
                                              const ResampleWeights& rows) {
  const auto between = filter_columns<Sums>(source, width * channels, channels, columns, rows);
  return filter_rows<Sums>(between, columns.taps.size() * channels, rows);
}

std::vector<uint8_t> filter_grey16(const Image& image, const ResampleWeights& columns,
                                   const ResampleWeights& rows) {
  std::vector<int32_t> source(image.pixels.size() / sizeof(uint16_t));
  for (size_t i = 0; i < source.size(); ++i) {
    uint16_t value = 0;
    std::memcpy(&value, &image.pixels[i * sizeof(value)], sizeof(value));
    source[i] = value;
  }
  const auto wide =
      filter_both<Floating>(source.data(), static_cast<size_t>(image.width), 1, columns, rows);
  std::vector<uint8_t> target(wide.size() * sizeof(uint16_t));
  for (size_t i = 0; i < wide.size(); ++i) {
    const auto value = static_cast<uint16_t>(std::clamp(wide[i], 0, 0xFFFF));
    std::memcpy(&target[i * sizeof(value)], &value, sizeof(value));
  }
  return target;
}

/// Source pixel of each output pixel. The position is accumulated, as in the reference: its
/// rounding errors decide ties.
std::vector<int> nearest_sources(int source, int target, int first, int count) {
  const double scale = double(source) / target;
  std::vector<int> sources;
  double position = scale * 0.5;
  for (int i = 0; i < first + count; ++i, position += scale) {
    if (i >= first) sources.push_back(std::min(static_cast<int>(position), source - 1));
  }
  return sources;
}

std::vector<uint8_t> pick_nearest(const Image& image, std::span<const int> columns,
                                  std::span<const int> rows) {
  const size_t size = bytes_per_pixel(image.mode);
  const size_t stride = size * static_cast<size_t>(image.width);
  std::vector<uint8_t> target(columns.size() * rows.size() * size);
  uint8_t* out = target.data();
  for (const int y : rows) {
    const uint8_t* row = &image.pixels[stride * static_cast<size_t>(y)];
    for (const int x : columns) {
      out = std::copy_n(row + size * static_cast<size_t>(x), size, out);
    }
  }
  return target;
}

/// A pass over a size that does not change copies: one tap of weight 1.
ResampleWeights pass_weights(int source, int target, ResampleFilter filter, int first, int count) {
  if (source != target) return resample_weights(source, target, filter, first, count);
  ResampleWeights weights;
  weights.values = {1.0};
  weights.source_begin = first;
  weights.source_end = first + count;
  for (int i = first; i < first + count; ++i) weights.taps.push_back({i, 1, 0});
  return weights;
}

bool is_nearest(const Image& image, int width, int height, ResampleFilter filter) {
  return filter == ResampleFilter::nearest || image.mode == PixelMode::p ||
         image.mode == PixelMode::one || (image.width == width && image.height == height);
}

Image with_pixels(const Image& like, Window window, std::vector<uint8_t> pixels) {
  return {window.width, window.height, like.mode, like.channels, std::move(pixels), like.palette};
}

Image filter_channels(const Image& image, int width, int height, ResampleFilter filter,
                      Window window) {
  const auto columns = pass_weights(image.width, width, filter, window.left, window.width);
  const auto rows = pass_weights(image.height, height, filter, window.top, window.height);
  if (image.mode == PixelMode::i16) {
    return with_pixels(image, window, filter_grey16(image, columns, rows));
  }
  return with_pixels(image, window,
                     filter_both<FixedPoint>(image.pixels.data(), static_cast<size_t>(image.width),
                                             static_cast<size_t>(image.channels), columns, rows));
}

}  // namespace

Image resize(const Image& image, int width, int height, ResampleFilter filter, Window window) {
  check(window.left >= 0 && window.top >= 0 && window.width > 0 && window.height > 0 &&
            window.left + window.width <= width && window.top + window.height <= height,
        "the window lies outside the resized image");
  if (is_nearest(image, width, height, filter)) {
    const auto columns = nearest_sources(image.width, width, window.left, window.width);
    const auto rows = nearest_sources(image.height, height, window.top, window.height);
    return with_pixels(image, window, pick_nearest(image, columns, rows));
  }
  if (image.mode == PixelMode::la || image.mode == PixelMode::rgba) {
    Image premultiplied = image;
    premultiply_alpha(premultiplied);
    Image resized = filter_channels(premultiplied, width, height, filter, window);
    unpremultiply_alpha(resized);
    return resized;
  }
  return filter_channels(image, width, height, filter, window);
}

}  // namespace octet::data
