#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "graph/graph.h"
#include "ops/ops.h"
#include "runtime/backend.h"

namespace octet::runtime {

struct Step {
  NodeId node{};
  KernelChoice choice;  ///< no kernel for a view, and for what the session runs itself
  uint64_t workspace_bytes = 0;
  double flops = 0;  ///< at the `opt` sizes
};

/// Where a computed value lives in the arena, for the largest sizes.
struct ArenaSlot {
  uint64_t offset = 0;
  uint64_t size = 0;
};

/// How a lowered graph runs: steps, packed constants and memory plan. Immutable data; knows no
/// device object. Saved as a safetensors file (plan_file.cpp).
struct Plan {
  std::string backend;  ///< Backend::name()
  std::string target;   ///< Backend::target() of the machine that built it
  Graph graph;          ///< lowered; constants packed
  SymbolRanges symbols;
  std::vector<Step> steps;             ///< in order, one per live node
  std::map<ValueId, ArenaSlot> slots;  ///< every computed value that is no view
  uint64_t arena_bytes = 0;
  uint64_t workspace_bytes = 0;
  Json facts;  ///< for people and tools: source file, applied passes, precision
};

/// The size of every symbol at one end of its range; of those that a node determines at run time
/// the largest that is possible then.
SymbolSizes sizes_at(const Graph& graph, const SymbolRanges& ranges, int64_t SymbolRange::*end,
                     int64_t row_granularity);

struct CompileOptions {
  SymbolRanges symbols;  ///< every symbol of the graph's inputs needs a range
  std::vector<std::string> disabled_passes;
  Json facts;
};

/// Graph → Plan: verifies types, lowers for the backend, chooses a kernel for every node, packs
/// constants, plans memory. Throws `Error(bad_input)` naming the node that no kernel takes and each
/// entry's reason.
Plan compile(Graph graph, const Backend& backend, const CompileOptions& options);

/// Writes atomically. Layout: safetensors; `__metadata__.plan` holds graph, steps and memory plan
/// as JSON; the header is padded so that data starts at a multiple of 64; every section is a U8
/// tensor padded to a multiple of 64, without holes; the last tensor holds the XXH3-128 of the
/// header and of each section.
void save_plan(const Plan& plan, const std::filesystem::path& path);

/// Maps the file and checks every hash. Throws `Error(bad_input)` for a damaged file or another
/// version.
Plan load_plan(const std::filesystem::path& path);

}  // namespace octet::runtime
