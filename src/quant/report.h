#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "quant/resolve.h"

namespace octet::quant {

/// What calibration found for one quantizer: one value, or one for each output channel.
struct SolvedScale {
  std::vector<float> amax;   ///< empty for the softmax, whose scale is a constant
  std::vector<float> scale;  ///< as stored
};
using SolvedScales = std::map<std::string, SolvedScale, std::less<>>;

/// How many quantizers there are and how many of them are on.
struct QuantizerCount {
  int64_t enabled = 0;
  int64_t total = 0;
};
QuantizerCount count_quantizers(const Resolved& resolved);

/// The resolved table for people: a quantizer a line with its format, calibrator, range and scale,
/// and the rule that decided; counts at the end. Of scales per channel the smallest and largest are
/// shown. `scales` may be empty (before calibration).
std::string to_text(const Resolved& resolved, const SolvedScales& scales);

/// The same as JSON: {"recipe", "enabled", "total", "quantizers": [...], "notices"}. Floats keep
/// every bit.
OrderedJson to_json(const Resolved& resolved, const SolvedScales& scales);

}  // namespace octet::quant
