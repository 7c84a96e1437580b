#include "quant/e4m3_grid.h"

#include <algorithm>
#include <cmath>

#include "tensor/codecs.h"

namespace octet::quant {
namespace {

E4m3Grid make_grid() {
  E4m3Grid grid{};
  for (size_t i = 0; i < E4m3Grid::kValues; ++i) {
    grid.values[i] = e4m3_to_f32(static_cast<uint8_t>(i));
  }
  for (size_t i = 0; i < grid.borders.size(); ++i) {
    grid.borders[i] = (grid.values[i] + grid.values[i + 1]) / 2;
  }
  return grid;
}

}  // namespace

const E4m3Grid& e4m3_grid() {
  static const E4m3Grid grid = make_grid();
  return grid;
}

E4m3Error::E4m3Error(const Distribution& seen) : bins_(seen.bins) {
  for (const Bin& bin : bins_) {
    means_.push_back(bin.mean());
    counts_.push_back(counts_.back() + bin.count);
    sums_.push_back(sums_.back() + bin.sum);
    squares_.push_back(squares_.back() + bin.squares);
  }
}

/// Of the bins [begin, end) when all become `value`.
double E4m3Error::error(size_t begin, size_t end, double value) const {
  const double squares = squares_[end] - squares_[begin];
  const double sum = sums_[end] - sums_[begin];
  return squares - 2 * value * sum + value * value * (counts_[end] - counts_[begin]);
}

/// How much smaller the error of a bin across a border may be than it is when all of the bin
/// becomes `value`: every value rounds to the nearer side, and none is further from the border than
/// the bin's ends. Zero when all its values stand on one side.
double E4m3Error::slack_at(size_t bin, double border, double half_step, double value) const {
  if (bin >= bins_.size()) return 0;
  const Bin& cut = bins_[bin];
  if (cut.lower >= border || cut.upper <= border) return 0;
  // No value is further from the mean than the root of all squared distances.
  const double mean = means_[bin];
  const double spread = std::sqrt(std::max(0.0, error(bin, bin + 1, mean)));
  if (std::abs(mean - border) > spread) return 0;
  const double reach = std::max(border - cut.lower, cut.upper - border);
  const double nearest = std::max(0.0, half_step - reach);
  return std::max(0.0, error(bin, bin + 1, value) - cut.count * nearest * nearest);
}

/// Rounding each bin as a whole can only be worse than rounding each value: an upper bound.
ErrorBounds E4m3Error::at(double scale) const {
  const E4m3Grid& grid = e4m3_grid();
  ErrorBounds bounds;
  double slack = 0;
  size_t begin = 0;
  for (size_t code = 0; code < E4m3Grid::kValues && begin < bins_.size(); ++code) {
    const double value = grid.values[code] * scale;
    size_t end = bins_.size();
    if (code < grid.borders.size()) {
      const double border = grid.borders[code] * scale;
      end = begin;
      while (end < bins_.size() && means_[end] < border) ++end;
      const double half_step = border - value;
      if (end > begin) slack += slack_at(end - 1, border, half_step, value);
      slack += slack_at(end, border, half_step, grid.values[code + 1] * scale);
    }
    bounds.upper += error(begin, end, value);
    begin = end;
  }
  bounds.lower = bounds.upper - slack;
  return bounds;
}

}  // namespace octet::quant
