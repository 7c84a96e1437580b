#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "runtime/engine.h"

namespace octet::eval {

/// Bars of `verify`. Two correct FP8 runs that differ only in summation order flip codes, so the
/// tight bars hold block by block, each block fed the reference's own inputs.
struct VerifyTolerance {
  double block_mean = 0;
  double block_minimum = 0;
  double end_mean = 0;
  double end_minimum = 0;
};

/// The bars for engines of a backend: GPUs add up FP8 products in fewer bits and round once where
/// the plain graph rounds every step.
VerifyTolerance tolerance_for(std::string_view backend);

/// Bars that a user gives instead of the backend's.
struct GivenBars {
  std::optional<double> block_mean;
  std::optional<double> block_minimum;
  std::optional<double> end_mean;
  std::optional<double> end_minimum;
};
VerifyTolerance with_bars(VerifyTolerance tolerance, const GivenBars& given);

/// Drift of one value over all samples, one cosine a sample.
struct DriftSummary {
  std::string name;
  int64_t samples = 0;
  double mean_cosine = 0;
  double minimum_cosine = 1;
  double mean_sqnr_db = 0;
  double max_abs = 0;
  std::optional<double> differing_codes;  ///< share of E4M3 codes that differ inside the block
};

struct TowerReport {
  std::string tower;
  std::vector<DriftSummary>
      blocks;  ///< in order, those that the engine computes in full; the last is the tower's output
  DriftSummary end_to_end;
  std::string first_failure;  ///< the first that leaves its tolerance, in words; empty when none
};

/// Compares `candidate` with `reference` (the same graph on the reference kernels) on batches of
/// inputs: every block with its input replaced by the reference's, then end to end. Values are
/// matched by name.
TowerReport verify_tower(std::shared_ptr<const runtime::Engine> reference,
                         std::shared_ptr<const runtime::Engine> candidate,
                         std::span<const Tensor> batches, const VerifyTolerance& tolerance,
                         const Progress& progress);

OrderedJson to_json(const TowerReport& report);

}  // namespace octet::eval
