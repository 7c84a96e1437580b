#pragma once

#include <cstdint>
#include <vector>

#include "cuda/kernel_table.h"
#include "cuda/tuner.h"

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

/// One tactic of a choice, as the plan holds it.
struct Way {
  int64_t max_rows = 0;
  Json tactic;
  Tensor cubin;
};

/// Adds the tactic for row counts up to `max_rows`; equal machine code is held once.
void add_way(runtime::KernelChoice& choice, int64_t max_rows, const Tuned& winner);

/// Those that were added, ascending. Throws `Error(bad_input)` naming the node when the plan holds
/// something else.
std::vector<Way> ways_of(const runtime::KernelChoice& choice, const std::string& node);

}  // namespace octet::cuda
