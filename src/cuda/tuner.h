#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cuda/compiler.h"
#include "cuda/driver.h"

namespace octet::cuda {

/// One way to compute a problem, as the tuner sees it.
struct Candidate {
  Json tactic;        ///< what is kept when it wins
  std::string words;  ///< for `--explain`
  KernelSource source;
};

/// Issues one run of a candidate's kernel, loaded, on a stream.
using Trial = std::function<void(size_t candidate, const Function& function, CUstream stream)>;

/// The candidate that ran fastest.
struct Tuned {
  Json tactic;
  Tensor cubin;
  double microseconds = 0;
  std::string explanation;  ///< candidates with their times
};

/// Compiles all candidates side by side, runs them in turns and takes the one with the least median
/// time. The outcome is kept in the program's cache folder under `key` (which says all that
/// matters: problem, sizes), the texts of the candidates, the device and the compiler. A candidate
/// that does not compile or run is left out, with its reason in the explanation; when none is left
/// that is an `Error(failed)`. A single candidate is not timed.
Tuned tune(const Device& device, const Json& key, const std::vector<Candidate>& candidates,
           const Trial& trial);

}  // namespace octet::cuda
