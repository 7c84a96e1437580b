#include "cpu/backend.h"

#include "base/error.h"
#include "cpu/matrix.h"
#include "passes/passes.h"

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

ReferenceBackend::ReferenceBackend() : TableBackend({reference_kernels()}) {}

}  // namespace octet::cpu
