#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace octet::cpu {

/// Vector instruction sets that this build has and this processor runs, best first: what the
/// Highway kernels choose from. "AVX3", "AVX2", "NEON", ...
std::vector<std::string> vector_targets();

/// For tests: Highway kernels use this target from now on, and nothing of the processor beyond it;
/// empty goes back to the best one. Throws `Error(usage)` for a name that `vector_targets` does not
/// list.
void force_vector_target(std::string_view name);

/// Whether epilogues round in the processor's FP16 arithmetic (AVX512-FP16).
bool uses_f16_arithmetic();

}  // namespace octet::cpu
