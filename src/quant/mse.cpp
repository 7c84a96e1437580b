#include <cmath>

#include "quant/calibrator.h"
#include "quant/e4m3_grid.h"

namespace octet::quant {
namespace {

constexpr double kLargestRange = double{kE4M3Max} * 65504.0;  // its scale is the last FP16 value

/// The search for the range with the smallest error, among the largest magnitude times 2^octaves.
struct Search {
  const E4m3Error& error;
  float largest;
  double smallest;  ///< error of the best so far
  double best = 0;  ///< its octaves

  void try_at(double octaves) {
    const auto amax = static_cast<float>(largest * std::exp2(octaves));
    if (amax > kLargestRange) return;
    const double upper = error.at(stored_scale(amax)).upper;
    if (upper >= smallest) return;
    smallest = upper;
    best = octaves;
  }

  /// All three are multiples of one power of two, so that no sum of them is rounded.
  void scan(double from, double to, double step) {
    const auto steps = static_cast<int>((from - to) / step);
    for (int i = 0; i <= steps; ++i) try_at(from - i * step);
  }
};

}  // namespace

/// Within an octave only the phase of the grid changes; over octaves the subnormal codes win and
/// the saturated lose. The second scan looks closer around the best of the first.
float solve_mse(const Distribution& seen) {
  constexpr double kCoarse = 1.0 / 16;
  constexpr double kFine = 1.0 / 256;
  const E4m3Error error(seen);
  Search search{error, seen.largest, error.at(stored_scale(seen.largest)).lower};
  search.scan(1.0, -4.0, kCoarse);
  search.scan(search.best + kCoarse, search.best - kCoarse, kFine);
  return search.best == 0 ? seen.largest
                          : static_cast<float>(seen.largest * std::exp2(search.best));
}

}  // namespace octet::quant
