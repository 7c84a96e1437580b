#include "cpu/backend.h"

#include <map>

#include "base/error.h"
#include "cpu/matrix.h"
#include "cpu/matrix_sets.h"
#include "passes/passes.h"
#include "runtime/plan.h"

namespace octet::cpu {

runtime::KernelChoice TableBackend::choose(const Graph& graph, NodeId id,
                                           const runtime::SymbolRanges& /*symbols*/) const {
  const Node& node = graph.node(id);
  runtime::KernelChoice choice;
  for (const auto& table : tables_) {
    for (const KernelEntry& entry : table) {
      if (!node.is(entry.op, entry.domain)) continue;
      const auto reason = entry.refuse == nullptr ? std::nullopt : entry.refuse(graph, node);
      if (!reason) {
        choice.kernel = entry.name;
        return choice;
      }
      choice.refusals.push_back({std::string(entry.name), *reason});
    }
  }
  return choice;
}

Tensor TableBackend::pack(const Graph& graph, NodeId id, size_t index,
                          const std::string& kernel) const {
  const Node& node = graph.node(id);
  const KernelEntry& chosen = entry(kernel);
  if (chosen.pack != nullptr) return chosen.pack(graph, node, index);
  return graph.value(node.inputs.at(index)).constant.value();
}

std::unique_ptr<runtime::Kernel> TableBackend::load(const Graph& graph, NodeId id,
                                                    const runtime::KernelChoice& choice) const {
  return entry(choice.kernel).load(graph, graph.node(id));
}

std::vector<std::string> TableBackend::remarks(const runtime::Plan& plan) const {
  std::vector<std::string> texts;  // in the order of the plan
  std::map<std::string, int> times;
  for (const runtime::Step& step : plan.steps) {
    if (step.choice.kernel.empty()) continue;
    const KernelEntry& kernel = entry(step.choice.kernel);
    if (kernel.explain == nullptr) continue;
    const std::string text =
        fmt::format("{}: {}", kernel.name, kernel.explain(plan.graph, plan.graph.node(step.node)));
    if (times[text]++ == 0) texts.push_back(text);
  }
  for (std::string& text : texts) text = fmt::format("{} x {}", times.at(text), text);
  return texts;
}

const KernelEntry& TableBackend::entry(const std::string& kernel) const {
  for (const auto& table : tables_) {
    for (const KernelEntry& candidate : table) {
      if (candidate.name == kernel) return candidate;
    }
  }
  fail_input("the backend {} has no kernel '{}'; build the plan again", name(), kernel);
}

CpuBackend::CpuBackend() : TableBackend({fast_kernels(), reference_kernels()}) {}

std::string CpuBackend::target() const {
  return fmt::format("cpu/{}", matrix_set().name);
}

void CpuBackend::lower(Graph& graph, std::span<const std::string> disabled) const {
  passes::run_passes(graph, passes::fusion_passes(), disabled);
}

std::vector<std::string> CpuBackend::remarks(const runtime::Plan& plan) const {
  std::vector<std::string> texts = TableBackend::remarks(plan);
  const MatrixSet& set = matrix_set();
  texts.insert(texts.begin(), fmt::format("matrix kernel set {}: {}", set.name, set.meaning));
  const std::string_view int8 = int8_instructions();
  if (!int8.empty()) {
    const bool dots = set.bf16 != nullptr;
    texts.push_back(fmt::format(
        "this processor has {}: INT8 runs at {} times the rate of {} here, so an INT8 engine of "
        "another runtime is faster than FP8, or any floating-point format, where the model's "
        "accuracy bears it",
        int8, dots ? "two" : "four", dots ? "BF16" : "FP32"));
  }
  return texts;
}

ReferenceBackend::ReferenceBackend() : TableBackend({reference_kernels()}) {}

}  // namespace octet::cpu
