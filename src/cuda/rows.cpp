// Kernels that move whole rows: octet.Embedding, octet.PoolLast, Gather of one row a sample.
#include <algorithm>

#include "base/error.h"
#include "cuda/single.h"
#include "cuda/stream.h"
#include "ops/ops.h"
#include "ops/parameters.h"

namespace octet::cuda {
namespace {

using runtime::KernelArgs;
using runtime::KernelChoice;
using runtime::Operand;

constexpr const char* kFile = "rows.cu";
constexpr size_t kEmbeddingRanges = 3;

int64_t last_extent(const Graph& graph, ValueId value) {
  return graph.value(value).dims.back().size();
}

unsigned threads_for(int64_t vectors) {
  return static_cast<unsigned>(std::clamp<int64_t>((vectors + 31) / 32 * 32, 32, 256));
}

Refusal refuse_width(const Graph& graph, const Node& node, ValueId value) {
  const int64_t width = last_extent(graph, value);
  if (width % 8 == 0) return std::nullopt;
  return fmt::format("node '{}': a width of {} is no multiple of 8", node.name, width);
}

/// Every define of the file; a kernel of it uses some.
KernelSource source(const std::string& entry, DType x, int64_t width, int64_t length, bool ragged,
                    int64_t row_bytes) {
  return {kFile,
          entry,
          {{"X", text_name(x)},
           {"WIDTH", std::to_string(width)},
           {"LENGTH", std::to_string(length)},
           {"RAGGED", ragged ? "1" : "0"},
           {"ROW_BYTES", std::to_string(row_bytes)}},
          ""};
}

Refusal refuse_embedding(const Device& /*device*/, const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, 1, {DType::f32, DType::f16})) return reason;
  return refuse_width(graph, node, node.inputs[1]);
}

std::vector<KernelSource> embedding_sources(const Site& site) {
  const Value& table = site.graph.value(site.node.inputs[1]);
  return {source("embedding", table.dtype, table.dims.back().size(),
                 last_extent(site.graph, site.node.inputs[0]),
                 has_input(site.node, kEmbeddingRanges), 0)};
}

class Embedding final : public runtime::Kernel {
 public:
  Embedding(const Device& device, const KernelChoice& choice)
      : function_(only_function(device, choice, "embedding")) {}

  void run(const KernelArgs& args) const override {
    const Operand& ids = args.inputs[0];
    const Operand& table = args.inputs[1];
    const void* ranges =
        args.inputs.size() > kEmbeddingRanges ? args.inputs[kEmbeddingRanges].data : nullptr;
    const int64_t table_rows = table.extent(0);
    const LaunchShape shape{.grid = static_cast<unsigned>(ids.last()),
                            .block = threads_for(table.last() / 8),
                            .grid_y = static_cast<unsigned>(ids.rows())};
    auto arguments = parameters(ids.data, table.data, args.inputs[2].data, ranges,
                                args.outputs[0].data, table_rows);
    function_.launch(handle_of(args.stream), shape, arguments);
  }

 private:
  Function function_;
};

/// One row of every sample: the last one of packed rows, or the one at an index.
class PickRow final : public runtime::Kernel {
 public:
  PickRow(const Device& device, const KernelChoice& choice, int64_t index)
      : function_(only_function(device, choice, "pick_row")), index_(index) {}

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    const auto row_bytes = static_cast<int64_t>(size_of(y.dtype)) * y.last();
    auto arguments = parameters(args.inputs[0].data, args.inputs[1].data, y.data, index_);
    const LaunchShape shape{.grid = static_cast<unsigned>(y.rows()),
                            .block = threads_for(row_bytes / 8),
                            .programmatic = true};
    function_.launch(handle_of(args.stream), shape, arguments);
  }

 private:
  Function function_;
  int64_t index_;
};

int64_t row_bytes_of(const Graph& graph, ValueId value) {
  return last_extent(graph, value) * static_cast<int64_t>(size_of(graph.value(value).dtype));
}

Refusal refuse_pick(const Device& /*device*/, const Graph& graph, const Node& node) {
  return refuse_width(graph, node, node.inputs[0]);
}

std::vector<KernelSource> pool_last_sources(const Site& site) {
  const ValueId x = site.node.inputs[0];
  return {source("pick_row", DType::f16, 8, 1, true, row_bytes_of(site.graph, x))};
}

Refusal refuse_gather(const Device& device, const Graph& graph, const Node& node) {
  const Value& data = graph.value(node.inputs[0]);
  const Value& index = graph.value(node.inputs[1]);
  if (data.dims.size() != 3 || node.integer("axis", 0) != 1 || data.dims[1].is_symbolic() ||
      !index.constant || index.constant->count() != 1) {
    return "it is not one row of every sample";
  }
  return refuse_pick(device, graph, node);
}

std::vector<KernelSource> gather_sources(const Site& site) {
  const ValueId x = site.node.inputs[0];
  return {source("pick_row", DType::f16, 8, site.graph.value(x).dims.at(1).size(), false,
                 row_bytes_of(site.graph, x))};
}

/// The row that Gather takes; a negative one counts from the end.
int64_t gathered_row(const Graph& graph, const Node& node) {
  const int64_t index = constant_integers(context_of(graph, node), 1).front();
  return index >= 0 ? index : index + graph.value(node.inputs[0]).dims.at(1).size();
}

}  // namespace

KernelEntry embedding_rows() {
  return {"embedding.rows",
          kOctetDomain,
          "Embedding",
          refuse_embedding,
          nullptr,
          embedding_sources,
          compile_only<embedding_sources>,
          [](const Device& device, const Graph&, const Node&,
             const KernelChoice& choice) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<Embedding>(device, choice);
          }};
}

KernelEntry pool_last() {
  return {"pool_last.rows",
          kOctetDomain,
          "PoolLast",
          refuse_pick,
          nullptr,
          pool_last_sources,
          compile_only<pool_last_sources>,
          [](const Device& device, const Graph&, const Node&,
             const KernelChoice& choice) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<PickRow>(device, choice, 0);
          }};
}

KernelEntry gather_row() {
  return {"gather.row",
          "",
          "Gather",
          refuse_gather,
          nullptr,
          gather_sources,
          compile_only<gather_sources>,
          [](const Device& device, const Graph& graph, const Node& node,
             const KernelChoice& choice) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<PickRow>(device, choice, gathered_row(graph, node));
          }};
}

}  // namespace octet::cuda
