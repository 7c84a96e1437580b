#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "quant/distribution.h"
#include "tensor/codecs.h"

namespace octet::quant {

/// How the range of a tensor is chosen from what was seen of it.
enum class CalibrationMethod : uint8_t {
  max,         ///< the largest magnitude
  percentile,  ///< the magnitude that a share of all values stays below
  entropy,     ///< the range whose E4M3 codes keep the distribution best (Kullback-Leibler)
  mse,         ///< the range with the smallest squared E4M3 error
};

struct Calibrator {
  CalibrationMethod method = CalibrationMethod::max;
  double percentile = 99.99;  ///< of all magnitudes, (0, 100]; for `percentile` only
  friend bool operator==(const Calibrator&, const Calibrator&) = default;
};

/// "max", "entropy", "mse", or "percentile:99.9"; "percentile" alone means 99.99. Throws
/// `Error(usage)` listing the names.
Calibrator parse_calibrator(std::string_view text);
/// The inverse.
std::string to_string(const Calibrator& calibrator);

/// The range that a quantizer keeps: larger magnitudes saturate. Depends on the values alone, not
/// on their order or on how they were cut into batches.
float solve_amax(const Calibrator& calibrator, const Distribution& seen);

/// The scale that is stored and used for a range: amax / 448, rounded up to FP16 once.
inline float stored_scale(float amax) {
  return round_scale_up_to_f16(scale_from_amax(amax));
}

// One file each.
float solve_max(const Distribution& seen);
float solve_percentile(const Distribution& seen, double percentile);
float solve_entropy(const Distribution& seen);
/// Never worse than the largest magnitude: another range is taken only when the bounds of both
/// errors prove it better.
float solve_mse(const Distribution& seen);

}  // namespace octet::quant
