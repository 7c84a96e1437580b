#pragma once

#include <cstdint>
#include <span>

namespace octet {

/// How far `value` is from `reference`, accumulated in double.
struct Drift {
  double cosine = 1.0;        ///< 1 when both are zero
  double sqnr_db = 0.0;       ///< 10 log10(|ref|^2 / |value - ref|^2); infinity when equal
  double max_abs = 0.0;       ///< max |value - ref|
  double max_relative = 0.0;  ///< max |value - ref| / max |ref|
};

/// Both spans have the same size. NaN anywhere gives a NaN cosine.
Drift compare(std::span<const float> value, std::span<const float> reference);

/// Share of positions with different codes, 0 to 1.
double differing_share(std::span<const uint8_t> a, std::span<const uint8_t> b);

}  // namespace octet
