#include <algorithm>
#include <cmath>

#include "quant/calibrator.h"
#include "quant/e4m3_grid.h"

namespace octet::quant {
namespace {

// Ranges that are tried: the largest magnitude times 2^(-step / kStepsPerOctave).
constexpr int kStepsPerOctave = 8;
constexpr int kSteps = 6 * kStepsPerOctave;

/// Divergence of what E4M3 can tell apart from the distribution itself, for one range. As the
/// method defines it: the distribution proper is cut at the range, what lies beyond is added to its
/// last bin; the candidate spreads each code's share evenly over the bins that the code stands for,
/// without what lay beyond. Zeros keep their code whatever the range is and are left out.
double divergence(const std::vector<Bin>& bins, size_t kept, double scale) {
  const E4m3Grid& grid = e4m3_grid();
  double inside = 0;
  for (size_t i = 0; i < kept; ++i) inside += bins[i].count;
  double beyond = 0;
  for (size_t i = kept; i < bins.size(); ++i) beyond += bins[i].count;

  double sum = 0;
  size_t begin = 0;
  for (size_t code = 0; code < E4m3Grid::kValues && begin < kept; ++code) {
    size_t end = begin;
    double in_code = 0;
    while (end < kept &&
           (code == grid.borders.size() || bins[end].mean() < grid.borders[code] * scale)) {
      in_code += bins[end++].count;
    }
    const double candidate = in_code / static_cast<double>(end - begin) / inside;
    for (; begin < end; ++begin) {
      const double count = bins[begin].count + (begin + 1 == kept ? beyond : 0);
      const double proper = count / (inside + beyond);
      sum += proper * std::log(proper / candidate);
    }
  }
  return sum;
}

}  // namespace

float solve_entropy(const Distribution& seen) {
  float best = seen.largest;
  double smallest = INFINITY;
  for (int step = 0; step <= kSteps; ++step) {
    const auto amax =
        static_cast<float>(seen.largest * std::exp2(-static_cast<double>(step) / kStepsPerOctave));
    const auto beyond = std::ranges::upper_bound(seen.bins, amax, {}, &Bin::lower);
    const auto kept = static_cast<size_t>(beyond - seen.bins.begin());
    if (kept == 0) break;
    const double value = divergence(seen.bins, kept, stored_scale(amax));
    if (value < smallest) {
      smallest = value;
      best = amax;
    }
  }
  return best;
}

}  // namespace octet::quant
