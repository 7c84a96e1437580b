#include <cmath>

#include "quant/calibrator.h"
#include "quant/e4m3_grid.h"

namespace octet::quant {
namespace {

// Ranges that are tried: the largest magnitude times 2^(step / kStepsPerOctave). Within an octave
// only the phase of the grid changes; below it the subnormal codes win and the saturated lose.
constexpr int kStepsPerOctave = 16;
constexpr int kFirstStep = -4 * kStepsPerOctave;
constexpr int kLastStep = kStepsPerOctave;
constexpr double kLargestRange = double{kE4M3Max} * 65504.0;  // its scale is the last FP16 value

}  // namespace

float solve_mse(const Distribution& seen) {
  const E4m3Error error(seen);
  const ErrorBounds of_largest = error.at(stored_scale(seen.largest));
  float best = seen.largest;
  double smallest = of_largest.lower;
  for (int step = kLastStep; step >= kFirstStep; --step) {
    const auto amax =
        static_cast<float>(seen.largest * std::exp2(static_cast<double>(step) / kStepsPerOctave));
    if (amax > kLargestRange) continue;
    const double upper = error.at(stored_scale(amax)).upper;
    if (upper < smallest) {
      smallest = upper;
      best = amax;
    }
  }
  return best;
}

}  // namespace octet::quant
