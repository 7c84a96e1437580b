#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/progress.h"
#include "models/clip.h"
#include "quant/calibration_data.h"
#include "quant/resolve.h"
#include "runtime/backend.h"

namespace octet::quant {

struct CalibrateOptions {
  int64_t batch = 8;  ///< samples in one run; changes memory and time, never the result
  Progress progress;
};

/// Ranges of activations by quantizer name.
using AmaxByName = std::map<std::string, float, std::less<>>;

/// Runs the FP32 model on the data, all quantizers off, and solves the range of every enabled
/// activation; weights and softmax need no data. Statistics are of what the engine computes: one
/// that skips the padding of texts does not see it.
///
/// Throws `Error(failed)` naming the quantizer when an activation is NaN or infinite,
/// `Error(bad_input)` when a tower needs data that there is none of, `Error(interrupted)`.
AmaxByName calibrate(const models::ClipModel& model, const Resolved& resolved,
                     CalibrationData& data, const runtime::Backend& backend,
                     const CalibrateOptions& options);

/// How many enabled activations of a tower need data.
int64_t count_needing_data(const Resolved& resolved, models::Tower tower);

}  // namespace octet::quant
