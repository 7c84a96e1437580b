#include "tensor/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace octet {

Drift compare(std::span<const float> value, std::span<const float> reference) {
  check(value.size() == reference.size(), "comparing {} with {} elements", value.size(),
        reference.size());
  double dot = 0;
  double value_norm = 0;
  double reference_norm = 0;
  double noise = 0;
  double max_reference = 0;
  Drift drift;
  for (size_t i = 0; i < value.size(); ++i) {
    const double a = value[i];
    const double b = reference[i];
    dot += a * b;
    value_norm += a * a;
    reference_norm += b * b;
    noise += (a - b) * (a - b);
    drift.max_abs = std::max(drift.max_abs, std::abs(a - b));
    max_reference = std::max(max_reference, std::abs(b));
  }
  const double norms = std::sqrt(value_norm) * std::sqrt(reference_norm);
  const bool both_zero = value_norm == 0 && reference_norm == 0;
  drift.cosine = both_zero ? 1.0 : (norms == 0 ? 0.0 : dot / norms);
  drift.sqnr_db = noise == 0 ? std::numeric_limits<double>::infinity()
                             : 10 * std::log10(reference_norm / noise);
  drift.max_relative = max_reference == 0 ? drift.max_abs : drift.max_abs / max_reference;
  return drift;
}

double differing_share(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  check(a.size() == b.size(), "comparing {} with {} codes", a.size(), b.size());
  if (a.empty()) return 0;
  size_t differing = 0;
  for (size_t i = 0; i < a.size(); ++i) differing += static_cast<size_t>(a[i] != b[i]);
  return static_cast<double>(differing) / static_cast<double>(a.size());
}

}  // namespace octet
