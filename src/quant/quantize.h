#pragma once

#include <filesystem>
#include <string>

#include "base/progress.h"
#include "checkpoint/checkpoint.h"
#include "models/clip.h"
#include "quant/calibrate.h"
#include "quant/report.h"

namespace octet::quant {

/// A model whose weights are codes, with every scale: what a quantized checkpoint holds.
struct QuantizedModel {
  checkpoint::NamedTensors tensors;  ///< by canonical name
  checkpoint::StoredQuantizers quantizers;
  Resolved resolved;
  SolvedScales scales;
  OrderedJson calibration;  ///< samples used and left out, by tower; for the report
};

/// Calibrates (where a quantizer needs data), solves every scale, and turns the weights into codes
/// of weight / scale. `data` may be null; then no enabled quantizer may need any.
///
/// Throws `Error(usage)` when data is needed and there is none, `Error(bad_input)` for a checkpoint
/// that is quantized already, and what `calibrate` throws.
QuantizedModel quantize(const models::ClipModel& model, const Resolved& resolved,
                        CalibrationData* data, const runtime::Backend& backend,
                        const CalibrateOptions& options);

/// Sees whether the folder can be written, before minutes go into calibration. Throws
/// `Error(failed)` when it cannot, `Error(usage)` when it is the model's own folder.
void check_target(const models::ClipModel& model, const std::filesystem::path& folder);

/// Writes a checkpoint in the unified layout, the tokenizer's and preprocessing's files of the
/// model's folder, and the table as quantization.json and quantization.txt. All appear together or
/// not at all.
void save_quantized_model(const QuantizedModel& quantized, const models::ClipModel& model,
                          const std::filesystem::path& folder, const std::string& version);

/// Makes a quantized checkpoint static: inputs that are dynamic per token get a scale from the
/// data, by their largest magnitude. Others stay as they are. Throws what `calibrate` throws.
checkpoint::StoredQuantization make_static(const models::ClipModel& model, CalibrationData& data,
                                           const runtime::Backend& backend,
                                           const CalibrateOptions& options);

}  // namespace octet::quant
