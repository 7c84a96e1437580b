#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quant/calibrator.h"
#include "quant/distribution.h"

namespace octet::quant {

/// Gathers what calibration sees of named values. The result does not depend on the order or size
/// of the pieces.
class Observer {
 public:
  /// Also gathers the distribution of `name`; without this only its largest magnitude is kept.
  void want_distribution(const std::string& name);

  /// Values that were computed under `name`. Throws `Error(failed)` for NaN or infinity.
  void see(const std::string& name, std::span<const float> values);

  /// The range for a calibrator. Throws `Error(failed)` when the value was never seen.
  [[nodiscard]] float solve(const std::string& name, const Calibrator& calibrator) const;

 private:
  struct Seen {
    uint32_t largest_bits = 0;
    bool any = false;
    std::optional<Histogram> histogram;
  };
  void add_to(Histogram& histogram, std::span<const float> values);

  std::map<std::string, Seen, std::less<>> seen_;
  std::vector<Histogram> parts_;  ///< one for each thread, empty between calls
};

}  // namespace octet::quant
