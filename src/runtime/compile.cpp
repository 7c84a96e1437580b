#include <algorithm>

#include "base/error.h"
#include "graph/patch.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include "runtime/memory_plan.h"
#include "runtime/plan.h"

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

/// The largest size of every symbol, those that a node determines at run time included.
SymbolSizes largest_sizes(const Graph& graph, const SymbolRanges& ranges) {
  SymbolSizes sizes;
  for (const auto& [name, range] : ranges) sizes[name] = range.max;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!node.is("RowRanges", kOctetDomain)) continue;
    const auto ids = to_shape(octet::bind(graph.value(node.inputs.at(0)).dims, sizes));
    if (ids) sizes[node.text("symbol", "")] = element_count(*ids);
  }
  return sizes;
}

std::string explain(const KernelChoice& choice) {
  std::string text;
  for (const auto& refusal : choice.refusals) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", refusal.kernel, refusal.reason);
  }
  return text.empty() ? "it has no kernel for this operator" : text;
}

std::vector<Step> choose_kernels(const Graph& graph, const Backend& backend) {
  std::vector<Step> steps;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    Step step{id, {}, {}, 0};
    if (!find_op(node.domain, node.op)->is_view) {
      KernelChoice choice = backend.choose(graph, id);
      if (choice.kernel.empty()) {
        fail_input("node '{}' ({}): backend {} cannot run it: {}", node.name, node.op,
                   backend.name(), explain(choice));
      }
      step.kernel = std::move(choice.kernel);
      step.refusals = std::move(choice.refusals);
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

void pack_constants(Graph& graph, const std::vector<Step>& steps, const Backend& backend) {
  Patch patch(graph);
  for (const Step& step : steps) {
    if (step.kernel.empty()) continue;
    const Node& node = graph.node(step.node);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!graph.is_constant(node.inputs[i])) continue;
      const Value& value = graph.value(node.inputs[i]);
      Tensor packed = backend.pack(graph, step.node, i, step.kernel);
      if (packed == *value.constant) continue;
      patch.replace_input(step.node, i, patch.add_constant(value.name + "/packed", packed));
    }
  }
  patch.apply();
}

Operand operand_of(const Value& value, const SymbolSizes& sizes) {
  Operand operand;
  operand.dtype = value.dtype;
  const std::optional<Shape> shape = to_shape(octet::bind(value.dims, sizes));
  check(shape && shape->size() <= kMaxRank, "value '{}' has shape {}", value.name,
        to_string(value.dims));
  operand.rank = shape->size();
  std::ranges::copy(*shape, operand.extents.begin());
  if (value.constant) operand.data = operand_data(*value.constant);
  return operand;
}

std::vector<Operand> operands_of(const Graph& graph, const std::vector<ValueId>& ids,
                                 const SymbolSizes& sizes) {
  std::vector<Operand> operands;
  operands.reserve(ids.size());
  for (const ValueId id : ids) {
    operands.push_back(id == kNoValue ? Operand{} : operand_of(graph.value(id), sizes));
  }
  return operands;
}

void plan_workspaces(Plan& plan, const Backend& backend, const SymbolSizes& sizes) {
  for (Step& step : plan.steps) {
    if (step.kernel.empty()) continue;
    const Node& node = plan.graph.node(step.node);
    const auto kernel = backend.load(plan.graph, step.node, step.kernel);
    step.workspace_bytes = kernel->workspace_bytes(operands_of(plan.graph, node.inputs, sizes),
                                                   operands_of(plan.graph, node.outputs, sizes));
    plan.workspace_bytes = std::max(plan.workspace_bytes, step.workspace_bytes);
  }
}

}  // namespace

Plan compile(Graph graph, const Backend& backend, const CompileOptions& options) {
  check_symbols(graph, options.symbols);
  infer_types(graph);
  passes::run_passes(graph, passes::canonical_passes(), options.disabled_passes);
  backend.lower(graph);
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
  plan.steps = choose_kernels(plan.graph, backend);
  pack_constants(plan.graph, plan.steps, backend);
  const SymbolSizes sizes = largest_sizes(plan.graph, options.symbols);
  MemoryPlan memory = plan_memory(plan.graph, sizes);
  plan.slots = std::move(memory.slots);
  plan.arena_bytes = memory.arena_bytes;
  plan_workspaces(plan, backend, sizes);
  return plan;
}

}  // namespace octet::runtime
