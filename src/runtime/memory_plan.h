#pragma once

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
/// offsets are multiples of 64. Graph outputs live to the end. `sizes` holds the largest size of
/// every symbol.
MemoryPlan plan_memory(const Graph& graph, const SymbolSizes& sizes);

}  // namespace octet::runtime
