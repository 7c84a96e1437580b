#pragma once

#include <cstdint>
#include <vector>

#include "cuda/kernel_table.h"

namespace octet::cuda {

/// A kernel with row counts for which it is the one to take.
template <typename Launcher>
struct ForRows {
  int64_t max_rows = 0;
  Launcher launcher;
};

/// Row counts for which tactics are chosen: the largest, a quarter of it and so on down to the
/// smallest, ascending. A tactic serves every count above the one before.
std::vector<int64_t> row_counts(const Site& site, ValueId value);

/// The entry for so many rows; `ways` ascend and the last one takes all above.
template <typename Launcher>
const Launcher& way_for(const std::vector<ForRows<Launcher>>& ways, int64_t rows) {
  for (const auto& way : ways) {
    if (rows <= way.max_rows) return way.launcher;
  }
  return ways.back().launcher;
}

/// Adds machine code to a choice and returns its index; equal code is held once.
size_t add_code(runtime::KernelChoice& choice, const Tensor& cubin);

}  // namespace octet::cuda
