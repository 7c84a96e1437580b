#pragma once

#include <functional>
#include <map>

#include "graph/graph.h"
#include "ops/ops.h"
#include "runtime/plan.h"

namespace octet::runtime {

/// The value whose memory `id` shares: itself, or what the views before it look at.
ValueId storage_of(const Graph& graph, ValueId id);

struct MemoryPlan {
  std::map<ValueId, ArenaSlot> slots;
  uint64_t arena_bytes = 0;
};

/// Places every computed value in one arena: values whose lifetimes overlap get disjoint ranges,
/// offsets are multiples of 256. Graph outputs live to the end. `sizes` holds the largest size of
/// every symbol; `bytes_behind` says what a value needs besides its own bytes.
MemoryPlan plan_memory(const Graph& graph, const SymbolSizes& sizes,
                       const std::function<uint64_t(ValueId)>& bytes_behind);

}  // namespace octet::runtime
