#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace octet::cpu {

/// Vector instruction sets that this build has and this processor runs, best first: what the
/// Highway kernels choose from. "AVX3", "AVX2", "NEON", ...
std::vector<std::string> vector_targets();

/// For tests: Highway kernels use this target from now on; empty goes back to the best one. Throws
/// `Error(usage)` for a name that `vector_targets` does not list.
void force_vector_target(std::string_view name);

}  // namespace octet::cpu
