#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/open_model.h"
#include "base/progress.h"
#include "eval/verify.h"
#include "quant/calibration_data.h"

namespace octet::api {

struct DeployOptions {
  std::vector<std::filesystem::path> calibration;
  std::filesystem::path evaluation;  ///< empty: no accuracy is measured
  std::string recipe = "fp8";
  quant::CalibrationOptions calibration_options;
  int64_t verify_samples = 16;
  int64_t max_batch = 32;
  OpenOptions open;
};

/// One number of the final table, by precision.
struct DeployFigure {
  std::string name;
  std::string unit;                      ///< "MiB", "ms", or empty for a share
  std::map<std::string, double> values;  ///< by precision, "fp16" and "fp8"
};

struct DeployReport {
  std::vector<std::string> precisions;
  std::vector<DeployFigure> figures;
  std::vector<eval::TowerReport> verification;  ///< FP8 engine against the reference

  /// The first tolerance that was left, in words; empty when none.
  [[nodiscard]] std::string first_failure() const;
};

/// Quantizes, exports, builds, verifies and evaluates. Writes fp16/ and fp8/ into `target`, each
/// with checkpoint/, onnx/ and plan/. A checkpoint that is quantized already gives fp8/ only.
/// Throws what its steps throw; finished steps stay.
DeployReport deploy(const std::filesystem::path& checkpoint, const std::filesystem::path& target,
                    const DeployOptions& options, const Progress& progress);

OrderedJson to_json(const DeployReport& report);

/// What `--eval` data is for: its subfolders zeroshot/ and retrieval/, or what the set itself
/// carries (classes, captions).
struct EvaluationSet {
  bool zero_shot = false;  ///< otherwise retrieval
  std::filesystem::path path;
};
std::vector<EvaluationSet> find_evaluation_sets(const std::filesystem::path& path);

}  // namespace octet::api
