// Operators that look rows up: Gather, GatherND, and octet.Embedding and octet.PoolLast of any
// width. An index outside its axis gives NaN, or -1 in integers: a kernel cannot report it.
#include <limits>

#include "cuda/units.h"
#include "ops/ops.h"
#include "ops/parameters.h"

namespace octet::cuda {
namespace {

using runtime::KernelChoice;

constexpr size_t kRanges = 3;

size_t gather_axis(const Graph& graph, const Node& node) {
  const int64_t axis = node.integer("axis", 0);
  const std::size_t rank = graph.value(node.inputs[0]).dims.size();
  return axis < 0 ? static_cast<size_t>(axis + static_cast<int64_t>(rank))
                  : static_cast<size_t>(axis);
}

std::string index_text(const Graph& graph, const Node& node, const std::string& offset,
                       const std::string& extent) {
  return fmt::format("place_of({}, {})", wide_text(graph, node, 1, offset), extent);
}

Units gather_units(const Graph& graph, const Node& node) {
  const bool is_last = gather_axis(graph, node) + 1 == graph.value(node.inputs[0]).dims.size();
  return {graph, node, is_last ? 1 : 0};
}

ElementText gather_text(const Graph& graph, const Node& node, const Units& units) {
  const size_t axis = gather_axis(graph, node);
  const Dims data = units.input();
  const Dims to = units.output();
  const Dims& indices = graph.value(node.inputs[1]).dims;
  const auto& index = units.index();
  std::string at = "0";
  for (size_t i = 0; i < indices.size(); ++i) {
    at = plus(at, times(index.coordinate(to, axis + i, "i"), index.stride(indices, i)));
  }
  const std::string place = index_text(graph, node, at, index.extent(data[axis]));
  std::string offset = times(place, index.stride(data, axis));
  for (size_t i = 0; i < data.size(); ++i) {
    if (i == axis) continue;
    const size_t from = i < axis ? i : i + indices.size() - 1;
    offset = plus(offset, times(index.coordinate(to, from, "i"), index.stride(data, i)));
  }
  return units.text(fmt::format("{} < 0 ? no_value<Y>() : {}", place, units.element(0, offset)));
}

size_t batch_axes(const Node& node) {
  return static_cast<size_t>(node.integer("batch_dims", 0));
}

Units gather_nd_units(const Graph& graph, const Node& node) {
  const size_t rank = graph.value(node.inputs[0]).dims.size();
  const auto depth = static_cast<size_t>(last_step(graph, node.inputs[1]));
  return {graph, node, batch_axes(node) + depth == rank ? 1 : 0};
}

ElementText gather_nd_text(const Graph& graph, const Node& node, const Units& units) {
  const size_t batch = batch_axes(node);
  const Dims data = units.input();
  const Dims to = units.output();
  const Dims& indices = graph.value(node.inputs[1]).dims;
  const auto depth = static_cast<size_t>(indices.back().size());
  const auto& index = units.index();
  std::string tuple = "0";
  for (size_t i = 0; i + 1 < indices.size(); ++i) {
    tuple = plus(tuple, times(index.coordinate(to, i, "i"), index.stride(indices, i)));
  }
  std::string offset = "0";
  std::string outside = "false";
  for (size_t i = 0; i < data.size(); ++i) {
    std::string at;
    if (i < batch) {
      at = index.coordinate(to, i, "i");
    } else if (i < batch + depth) {
      at = index_text(graph, node, plus(tuple, std::to_string(i - batch)), index.extent(data[i]));
      outside += fmt::format(" || {} < 0", at);
    } else {
      at = index.coordinate(to, i + indices.size() - 1 - batch - depth, "i");
    }
    offset = plus(offset, times(at, index.stride(data, i)));
  }
  return units.text(fmt::format("{} ? no_value<Y>() : {}", outside, units.element(0, offset)));
}

Units pool_units(const Graph& graph, const Node& node) {
  return {graph, node, 0};
}

ElementText pool_text(const Graph& /*graph*/, const Node& /*node*/, const Units& units) {
  const std::string sample = units.index().coordinate(units.output(), 0, "i");
  const std::string row =
      fmt::format("Index({} - 1)", element_text(1, "int32_t", fmt::format("2 * {} + 1", sample)));
  return units.text(units.element(0, plus(times(row, units.index().stride(units.output(), 0)),
                                          units.index().coordinate(units.output(), 1, "i"))));
}

/// Ids, and the width of a row: what an embedding counts.
Dims embedding_domain(const Graph& graph, const Node& node) {
  Dims domain = graph.value(node.inputs[0]).dims;
  domain.push_back(graph.value(node.inputs[1]).dims[1]);
  return domain;
}

KernelSource embedding_text(const NodeSite& site) {
  const Graph& graph = site.graph;
  const Node& node = site.node;
  const IndexText index(symbols_of(graph, node));
  const Dims domain = embedding_domain(graph, node);
  const std::string sample = index.coordinate(domain, 0, "i");
  const std::string row = index.coordinate(domain, 1, "i");
  const std::string column = index.coordinate(domain, 2, "i");
  const std::string width = index.extent(domain[2]);
  const std::string id = element_text(0, "int64_t", fmt::format("i / {}", width));
  const std::string words =
      wide_text(graph, node, 1, plus(times("Index(" + id + ")", width), column));
  const std::string places = wide_text(graph, node, 2, plus(times(row, width), column));
  ElementText text{domain, element_name(graph.value(node.outputs.at(0)).dtype), ""};
  text.value = fmt::format("narrow<Y>({0} < 0 || {0} >= {1} ? {2} : {3} + {4})", id,
                           index.extent(graph.value(node.inputs[1]).dims[0]),
                           number_text(std::numeric_limits<float>::quiet_NaN()), words, places);
  if (has_input(node, kRanges)) {
    const auto range = [&](int end) {
      return element_text(kRanges, "int32_t", fmt::format("2 * {} + {}", sample, end));
    };
    const std::string place = fmt::format("({} + {})", range(0), row);
    text.target = plus(times(fmt::format("Index{}", place), width), column);
    text.guard = fmt::format("{} < {}", place, range(1));
  }
  return element_source(site, text);
}

std::unique_ptr<runtime::Kernel> load_embedding(const Device& device, const Graph& graph,
                                                const Node& node, const KernelChoice& choice) {
  return load_generic(device, graph, node, choice,
                      element_launch(graph, node, embedding_domain(graph, node)));
}

}  // namespace

std::vector<KernelEntry> lookup_kernels() {
  return {
      Movement<gather_units, gather_text>::entry("generic.Gather", "Gather"),
      Movement<gather_nd_units, gather_nd_text>::entry("generic.GatherND", "GatherND"),
      Movement<pool_units, pool_text>::entry("generic.PoolLast", "PoolLast", kOctetDomain),
      generic_entry<embedding_text, load_embedding>("generic.Embedding", "Embedding", kOctetDomain),
  };
}

}  // namespace octet::cuda
