#include "runtime/engine.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "ops/ops.h"
#include "runtime/workspace.h"

namespace octet::runtime {
namespace {

std::string names(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<std::string> all;
  all.reserve(ids.size());
  for (const ValueId id : ids) all.push_back(graph.value(id).name);
  return fmt::format("{}", fmt::join(all, ", "));
}

size_t index_of(const Graph& graph, const std::vector<ValueId>& ids, std::string_view name,
                std::string_view kind) {
  const auto found =
      std::ranges::find_if(ids, [&](ValueId id) { return graph.value(id).name == name; });
  if (found == ids.end()) {
    fail(ErrorCode::usage, "'{}' has no {} '{}'; it has {}", graph.name(), kind, name,
         names(graph, ids));
  }
  return static_cast<size_t>(found - ids.begin());
}

}  // namespace

std::shared_ptr<const Engine> Engine::load(Plan plan, const Backend& backend) {
  if (plan.backend != backend.name()) {
    fail_input("the plan was built for the backend {}, not for {}; build it again", plan.backend,
               backend.name());
  }
  if (plan.target != backend.target()) {
    log_info("the plan was built on {} and runs on {}", plan.target, backend.target());
  }
  std::shared_ptr<Engine> engine(new Engine(std::move(plan), backend));
  const Graph& graph = engine->plan_.graph;
  const SymbolSizes sizes =
      sizes_at(graph, engine->plan_.symbols, &SymbolRange::max, backend.row_granularity());
  for (const Step& step : engine->plan_.steps) {
    engine->kernels_.push_back(
        step.choice.kernel.empty() ? nullptr : backend.load(graph, step.node, step.choice));
    if (step.choice.kernel.empty()) continue;
    // More than the plan says where this machine has more threads than the one that built it.
    const uint64_t needed = workspace_bytes(*engine->kernels_.back(), graph, step.node, sizes);
    engine->plan_.workspace_bytes = std::max(engine->plan_.workspace_bytes, needed);
  }
  for (const ValueId id : graph.values()) {
    if (graph.is_constant(id))
      engine->placed_.emplace(id, backend.place(*graph.value(id).constant));
  }
  return engine;
}

size_t Engine::input_index(std::string_view name) const {
  return index_of(graph(), graph().inputs(), name, "input");
}

size_t Engine::output_index(std::string_view name) const {
  return index_of(graph(), graph().outputs(), name, "output");
}

int64_t Engine::max_size(std::string_view symbol) const {
  const auto found = plan_.symbols.find(symbol);
  return found == plan_.symbols.end() ? 1 : found->second.max;
}

}  // namespace octet::runtime
