#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/resize.h"

namespace octet::data {

/// Which source pixels one output pixel is made of.
struct Taps {
  int begin = 0;
  int count = 0;
  size_t first_weight = 0;  ///< index of the first weight in `ResampleWeights::values`
};

/// The weights of one pass for the outputs [first, first + taps.size()).
struct ResampleWeights {
  std::vector<Taps> taps;
  std::vector<double> values;  ///< those of one output pixel sum to 1
  int source_begin = 0;        ///< every source pixel used lies in [source_begin, source_end)
  int source_end = 0;

  [[nodiscard]] std::span<const double> of(const Taps& tap) const {
    return std::span(values).subspan(tap.first_weight, static_cast<size_t>(tap.count));
  }
};

/// Resizing `source` pixels to `target`, outputs [first, first + count). Not for nearest.
ResampleWeights resample_weights(int source, int target, ResampleFilter filter, int first,
                                 int count);

/// Fixed-point form of the weights, for 8-bit pixels.
inline constexpr int kWeightFractionBits = 22;
std::vector<int32_t> fixed_point(std::span<const double> weights);

}  // namespace octet::data
