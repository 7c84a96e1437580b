#include "cuda/backend.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "cuda/attention.h"
#include "cuda/kernel_table.h"
#include "cuda/placement.h"
#include "cuda/stream.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include "runtime/plan.h"

namespace octet::cuda {
namespace {

/// Packed rows are counted in steps of this: one recorded run serves up to 63 rows fewer.
constexpr int64_t kRowGranularity = 64;

const KernelEntry& entry(std::string_view kernel) {
  const std::span<const KernelEntry> table = kernel_table();
  const auto found = std::ranges::find(table, kernel, &KernelEntry::name);
  if (found == table.end()) {
    fail_input("the backend cuda has no kernel '{}'; build the plan again", kernel);
  }
  return *found;
}

}  // namespace

std::span<const KernelEntry> kernel_table() {
  static const std::vector<KernelEntry> table = [] {
    std::vector<KernelEntry> all{
        linear_gemm(),          attention_fused(), layer_norm_fused(), layer_norm_rows(),
        patch_embedding_gemm(), embedding_rows(),  pool_last(),        gather_row(),
    };
    for (const auto& family : {elementwise_kernels(), movement_kernels(), lookup_kernels(),
                               reduction_kernels(), product_kernels(), plain_attention_kernels()}) {
      all.insert(all.end(), family.begin(), family.end());
    }
    return all;
  }();
  return table;
}

int64_t rows_at(const Site& site, ValueId value, int64_t runtime::SymbolRange::*end) {
  const Dims& dims = site.graph.value(value).dims;
  int64_t rows = 1;
  for (size_t axis = 0; axis + 1 < dims.size(); ++axis) {
    if (!dims[axis].is_symbolic()) {
      rows *= dims[axis].size();
      continue;
    }
    const auto found = site.symbols.find(dims[axis].symbol());
    if (found != site.symbols.end()) {
      rows *= found->second.*end;
      continue;
    }
    // Packed rows: every input id may be one.
    for (const ValueId input : site.graph.inputs()) {
      rows *= rows_at(site, input, end) * site.graph.value(input).dims.back().size();
    }
  }
  return rows;
}

const KernelEntry* CudaBackend::first_that_takes(const Graph& graph, const Node& node,
                                                 runtime::KernelChoice& choice) const {
  for (const KernelEntry& candidate : kernel_table()) {
    if (!node.is(candidate.op, candidate.domain)) continue;
    if (kernels_ == KernelSet::generic && candidate.generic_text == nullptr) continue;
    const Refusal reason = candidate.refuse(device_, graph, node);
    if (!reason) return &candidate;
    choice.refusals.push_back({std::string(candidate.name), *reason});
  }
  return nullptr;
}

std::string CudaBackend::target() const {
  return fmt::format("cuda/{}", device_.properties().arch());
}

void CudaBackend::lower(Graph& graph, std::span<const std::string> disabled) const {
  passes::run_passes(graph, passes::fusion_passes(), disabled);
}

void CudaBackend::prepare(const Graph& graph, const runtime::SymbolRanges& symbols) const {
  std::map<std::string, KernelSource> sources;
  for (const NodeId id : graph.order()) {
    runtime::KernelChoice choice;
    const KernelEntry* chosen = first_that_takes(graph, graph.node(id), choice);
    if (chosen == nullptr) continue;
    for (KernelSource& source : chosen->sources({{graph, graph.node(id), symbols}, device_})) {
      sources.emplace(full_text(source), std::move(source));
    }
  }
  std::vector<KernelSource> distinct;
  distinct.reserve(sources.size());
  for (auto& [text, source] : sources) distinct.push_back(std::move(source));
  compile_kernels(distinct, device_.properties().arch());
}

runtime::KernelChoice CudaBackend::choose(const Graph& graph, NodeId id,
                                          const runtime::SymbolRanges& symbols) const {
  runtime::KernelChoice choice;
  const Node& node = graph.node(id);
  if (const KernelEntry* chosen = first_that_takes(graph, node, choice)) {
    choice.kernel = chosen->name;
    chosen->specialise({{graph, node, symbols}, device_}, choice);
  }
  return choice;
}

Tensor CudaBackend::pack(const Graph& graph, NodeId id, size_t index,
                         const std::string& kernel) const {
  const Node& node = graph.node(id);
  const KernelEntry& chosen = entry(kernel);
  if (chosen.pack != nullptr) return chosen.pack(device_, graph, node, index);
  return graph.value(node.inputs.at(index)).constant.value();
}

std::unique_ptr<runtime::Kernel> CudaBackend::load(const Graph& graph, NodeId id,
                                                   const runtime::KernelChoice& choice) const {
  return entry(choice.kernel).load(device_, graph, graph.node(id), choice);
}

/// How much of the plan is off the fast path.
std::vector<std::string> CudaBackend::remarks(const runtime::Plan& plan) const {
  size_t kernels = 0;
  size_t generic = 0;
  double flops = 0;
  double generic_flops = 0;
  for (const runtime::Step& step : plan.steps) {
    if (step.choice.kernel.empty()) continue;
    const bool is_generic = entry(step.choice.kernel).generic_text != nullptr;
    kernels += 1;
    generic += is_generic ? 1 : 0;
    flops += step.flops;
    generic_flops += is_generic ? step.flops : 0;
  }
  if (generic == 0) return {};
  return {
      fmt::format("{} of {} kernels are generic; {:.1f} % of all operations are done in them, "
                  "without tensor cores",
                  generic, kernels, flops > 0 ? 100 * generic_flops / flops : 0.0)};
}

std::unique_ptr<runtime::Stream> CudaBackend::make_stream() const {
  return std::make_unique<CudaStream>(device_);
}

Tensor CudaBackend::place(const Tensor& constant) const {
  return to_device(device_, constant);
}

int64_t CudaBackend::row_granularity() const {
  return kRowGranularity;
}

/// The copy engine reads rows in groups: 16 behind the last one of a matrix may be touched, and V
/// is stored with as many columns more.
uint64_t CudaBackend::bytes_behind(const Graph& graph, ValueId value) const {
  constexpr uint64_t kRowsBehind = 16;
  const Value& described = graph.value(value);
  if (described.dims.empty() || described.dims.back().is_symbolic()) return 0;
  return kRowsBehind * static_cast<uint64_t>(described.dims.back().size()) *
         size_of(described.dtype);
}

}  // namespace octet::cuda
