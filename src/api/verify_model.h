#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "api/open_model.h"
#include "base/progress.h"
#include "eval/verify.h"

namespace octet::api {

struct VerifyInputs {
  std::filesystem::path data;  ///< images, captions or both
  int64_t samples = 32;
  eval::GivenBars bars;  ///< instead of those of the engine's backend
};

/// Verifies every tower of the model in `engine` against the graph in `reference` (ONNX files
/// before a checkpoint) run by the reference kernels. A tower for which `data` has nothing is left
/// out with a warning; none at all is an `Error(bad_input)`.
std::vector<eval::TowerReport> verify_model(const std::filesystem::path& engine,
                                            const std::filesystem::path& reference,
                                            const VerifyInputs& inputs, const OpenOptions& options,
                                            const Progress& progress);

}  // namespace octet::api
