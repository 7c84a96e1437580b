#include <algorithm>

#include "base/error.h"
#include "base/progress.h"
#include "graph/patch.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include "runtime/memory_plan.h"
#include "runtime/plan.h"
#include "runtime/row_ranges.h"
#include "runtime/workspace.h"

namespace octet::runtime {
namespace {

void check_symbols(const Graph& graph, const SymbolRanges& ranges) {
  for (const ValueId input : graph.inputs()) {
    for (const Dim& dim : graph.value(input).dims) {
      if (!dim.is_symbolic()) continue;
      const auto found = ranges.find(dim.symbol());
      if (found == ranges.end()) {
        fail(ErrorCode::usage, "input '{}' has the dynamic dimension '{}'; give it a size",
             graph.value(input).name, dim.symbol());
      }
      const SymbolRange& range = found->second;
      if (range.min < 1 || range.opt < range.min || range.max < range.opt) {
        fail(ErrorCode::usage, "dimension '{}': min {}, opt {}, max {} are not in order",
             dim.symbol(), range.min, range.opt, range.max);
      }
    }
  }
}

std::string explain(const KernelChoice& choice) {
  std::string text;
  for (const auto& refusal : choice.refusals) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", refusal.kernel, refusal.reason);
  }
  return text.empty() ? "it has no kernel for this operator" : text;
}

Step choose_kernel(const Graph& graph, NodeId id, const Backend& backend,
                   const CompileOptions& options) {
  Step step{id, {}, 0, 0};
  const Node& node = graph.node(id);
  if (decides_extents(node)) {
    // The session reads them where the caller hands them over.
    if (std::ranges::find(graph.inputs(), node.inputs.at(0)) == graph.inputs().end()) {
      fail_input("node '{}' ({}): it decides extents, but not from an input of the graph",
                 node.name, node.op);
    }
    return step;
  }
  if (find_op(node.domain, node.op)->is_view) return step;
  step.choice = backend.choose(graph, id, options.symbols);
  if (step.choice.kernel.empty()) {
    fail_input("node '{}' ({}): backend {} cannot run it: {}", node.name, node.op, backend.name(),
               explain(step.choice));
  }
  return step;
}

std::vector<Step> choose_kernels(const Graph& graph, const Backend& backend,
                                 const CompileOptions& options) {
  const SymbolSizes usual =
      sizes_at(graph, options.symbols, &SymbolRange::opt, backend.row_granularity());
  std::vector<Step> steps;
  for (const NodeId id : graph.order()) {
    throw_if_interrupted();
    steps.push_back(choose_kernel(graph, id, backend, options));
    Step& step = steps.back();
    if (!step.choice.kernel.empty()) step.flops = cost_of(graph, id, usual).flops;
  }
  return steps;
}

void pack_constants(Graph& graph, const std::vector<Step>& steps, const Backend& backend) {
  Patch patch(graph);
  for (const Step& step : steps) {
    if (step.choice.kernel.empty()) continue;
    const Node& node = graph.node(step.node);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!graph.is_constant(node.inputs[i])) continue;
      const Value& value = graph.value(node.inputs[i]);
      Tensor packed = backend.pack(graph, step.node, i, step.choice.kernel);
      if (packed == *value.constant) continue;
      patch.replace_input(step.node, i, patch.add_constant(value.name + "/packed", packed));
    }
  }
  patch.apply();
}

void plan_workspaces(Plan& plan, const Backend& backend, const SymbolSizes& sizes) {
  for (Step& step : plan.steps) {
    if (step.choice.kernel.empty()) continue;
    const auto kernel = backend.load(plan.graph, step.node, step.choice);
    step.workspace_bytes = workspace_bytes(*kernel, plan.graph, step.node, sizes);
    plan.workspace_bytes = std::max(plan.workspace_bytes, step.workspace_bytes);
  }
}

}  // namespace

SymbolSizes sizes_at(const Graph& graph, const SymbolRanges& ranges, int64_t SymbolRange::*end,
                     int64_t row_granularity) {
  SymbolSizes sizes;
  for (const auto& [name, range] : ranges) sizes[name] = range.*end;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!decides_extents(node)) continue;
    const auto ids = to_shape(octet::bind(graph.value(node.inputs.at(0)).dims, sizes));
    if (!ids) continue;
    sizes[node.text("symbol", "")] =
        (element_count(*ids) + row_granularity - 1) / row_granularity * row_granularity;
  }
  return sizes;
}

Plan compile(Graph graph, const Backend& backend, const CompileOptions& options) {
  check_symbols(graph, options.symbols);
  infer_types(graph);
  passes::run_passes(graph, passes::canonical_passes(), options.disabled_passes);
  backend.lower(graph, options.disabled_passes);
  infer_types(graph);
  Plan plan{std::string(backend.name()),
            backend.target(),
            std::move(graph),
            options.symbols,
            {},
            {},
            0,
            0,
            options.facts};
  backend.prepare(plan.graph, options.symbols);
  plan.steps = choose_kernels(plan.graph, backend, options);
  pack_constants(plan.graph, plan.steps, backend);
  const SymbolSizes sizes =
      sizes_at(plan.graph, options.symbols, &SymbolRange::max, backend.row_granularity());
  MemoryPlan memory = plan_memory(
      plan.graph, sizes, [&](ValueId value) { return backend.bytes_behind(plan.graph, value); });
  plan.slots = std::move(memory.slots);
  plan.arena_bytes = memory.arena_bytes;
  plan_workspaces(plan, backend, sizes);
  return plan;
}

}  // namespace octet::runtime
