#include "quant/weights.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/threads.h"
#include "quant/distribution.h"
#include "tensor/codecs.h"
#include "tensor/layout.h"

namespace octet::quant {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements that are worth a thread

float solve_channel(std::span<const float> values, const Calibrator& calibrator,
                    Histogram& histogram) {
  if (calibrator.method == CalibrationMethod::max) {
    return std::bit_cast<float>(largest_magnitude_bits(values));
  }
  histogram.clear();
  histogram.add(values);
  return solve_amax(calibrator, histogram.distribution());
}

/// Ranges of consecutive stretches of equal length.
std::vector<float> solve_channels(std::span<const float> values, int64_t channels,
                                  const Calibrator& calibrator) {
  std::vector<float> amax(static_cast<size_t>(channels));
  const auto length = static_cast<int64_t>(values.size()) / channels;
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, length));
  parallel_for(channels, grain, [&](int64_t begin, int64_t end) {
    Histogram histogram;
    for (int64_t channel = begin; channel < end; ++channel) {
      const auto part =
          values.subspan(static_cast<size_t>(channel * length), static_cast<size_t>(length));
      amax[static_cast<size_t>(channel)] = solve_channel(part, calibrator, histogram);
    }
  });
  return amax;
}

/// Elements that share a scale and stand side by side.
int64_t run_length(const Tensor& weight, int64_t channels, size_t axis) {
  if (channels == 1) return kGrain;
  const Shape& shape = weight.shape();
  return element_count(Shape(shape.begin() + static_cast<ptrdiff_t>(axis) + 1, shape.end()));
}

}  // namespace

std::vector<float> solve_weight_amax(const Tensor& weight, const Format& format,
                                     const std::string& name) {
  if (!all_finite(weight)) fail_input("tensor '{}' holds NaN or infinity", name);
  const Tensor wide = convert(weight, DType::f32);
  const int64_t channels = format.scale == Granularity::per_channel ? weight.extent(0) : 1;
  return solve_channels(wide.values<float>(), channels, format.calibrator);
}

Tensor quantize_weight(const Tensor& weight, const Tensor& scale, size_t channel_axis) {
  const Tensor wide = convert(weight, DType::f32);
  const Tensor wide_scale = convert(scale, DType::f32);
  const auto scales = wide_scale.values<float>();
  const auto values = wide.values<float>();
  const auto channels = static_cast<int64_t>(scales.size());
  const int64_t run = run_length(weight, channels, channel_axis);
  Tensor codes(DType::f8e4m3, weight.shape());
  const auto target = codes.mutable_values<uint8_t>();
  const int64_t runs = (weight.count() + run - 1) / run;
  parallel_for(runs, std::max<int64_t>(1, kGrain / run), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float divisor = scales[static_cast<size_t>(i % channels)];
      const auto last = static_cast<size_t>(std::min(weight.count(), (i + 1) * run));
      for (auto at = static_cast<size_t>(i * run); at < last; ++at) {
        target[at] = quantize_e4m3(values[at], divisor);
      }
    }
  });
  return codes;
}

}  // namespace octet::quant
