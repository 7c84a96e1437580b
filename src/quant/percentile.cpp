#include <algorithm>

#include "quant/calibrator.h"

namespace octet::quant {

/// The upper end of the first bin up to which at least `percentile` of all values lie, zeros
/// included; never beyond the largest value.
float solve_percentile(const Distribution& seen, double percentile) {
  double total = seen.zeros;
  for (const Bin& bin : seen.bins) total += bin.count;
  const double wanted = total * percentile / 100.0;
  double below = seen.zeros;
  for (const Bin& bin : seen.bins) {
    below += bin.count;
    if (below >= wanted) return std::min(static_cast<float>(bin.upper), seen.largest);
  }
  return seen.largest;
}

}  // namespace octet::quant
