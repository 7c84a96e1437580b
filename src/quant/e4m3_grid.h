#pragma once

#include <array>

#include "quant/distribution.h"

namespace octet::quant {

/// The non-negative E4M3 values, in units of the scale, and the borders between them: magnitudes
/// from `borders[i - 1]` to `borders[i]` become `values[i]`.
struct E4m3Grid {
  static constexpr size_t kValues = 127;
  std::array<double, kValues> values;
  std::array<double, kValues - 1> borders;
};
const E4m3Grid& e4m3_grid();

/// Squared errors of E4M3 with one scale. Bins that a border cuts leave an interval.
struct ErrorBounds {
  double lower = 0;
  double upper = 0;
};

/// Squared errors over a distribution, for many scales.
class E4m3Error {
 public:
  explicit E4m3Error(const Distribution& seen);
  [[nodiscard]] ErrorBounds at(double scale) const;

 private:
  [[nodiscard]] double error(size_t begin, size_t end, double value) const;
  [[nodiscard]] double slack_at(size_t bin, double border, double half_step, double value) const;

  const std::vector<Bin>& bins_;
  std::vector<double> means_;
  // Sums over the bins before each index.
  std::vector<double> counts_{0.0};
  std::vector<double> sums_{0.0};
  std::vector<double> squares_{0.0};
};

}  // namespace octet::quant
