#include <algorithm>

#include "ops/parameters.h"
#include "ops/rules.h"

namespace octet {
namespace {

using Extents = std::optional<Dims>;

Extents constant_extents(const Tensor& tensor) {
  if (tensor.rank() > 1) return std::nullopt;
  Dims extents;
  if (tensor.dtype() == DType::i64) {
    for (const int64_t value : tensor.values<int64_t>()) extents.emplace_back(value);
  } else if (tensor.dtype() == DType::i32) {
    for (const int32_t value : tensor.values<int32_t>()) extents.emplace_back(int64_t{value});
  } else {
    return std::nullopt;
  }
  return extents;
}

/// Elements [begin, end) of a list, as the attributes of Shape count them.
Dims part_of(const Dims& dims, int64_t begin, int64_t end) {
  const auto rank = static_cast<int64_t>(dims.size());
  const auto clamp = [rank](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t first = clamp(begin);
  const int64_t last = std::max(first, clamp(end));
  return {dims.begin() + first, dims.begin() + last};
}

Extents shape_extents(const Graph& graph, const Node& node) {
  const Dims& dims = graph.value(node.inputs[0]).dims;
  return part_of(dims, node.integer("start", 0),
                 node.integer("end", static_cast<int64_t>(dims.size())));
}

Extents concat_extents(const Graph& graph, const Node& node) {
  Dims all;
  for (const ValueId input : node.inputs) {
    const Extents part = known_extents(graph, input);
    if (!part) return std::nullopt;
    all.insert(all.end(), part->begin(), part->end());
  }
  return all;
}

Extents gather_extents(const Graph& graph, const Node& node) {
  const Extents data = known_extents(graph, node.inputs[0]);
  const InferenceContext context = context_of(graph, node);
  if (!data || context.constant(1) == nullptr) return std::nullopt;
  Dims picked;
  for (const int64_t index : constant_integers(context, 1)) {
    picked.push_back((*data)[axis_index(context, index, data->size())]);
  }
  return picked;
}

Extents slice_extents(const Graph& graph, const Node& node) {
  const Extents data = known_extents(graph, node.inputs[0]);
  if (!data) return std::nullopt;
  const SliceAxis axis = slice_of(context_of(graph, node)).front();
  Dims picked;
  for (int64_t i = 0; i < axis.extent.size(); ++i) {
    picked.push_back((*data)[static_cast<size_t>(axis.start + i * axis.step)]);
  }
  return picked;
}

}  // namespace

std::optional<Dims> known_extents(const Graph& graph, ValueId value) {
  if (const auto& constant = graph.value(value).constant) return constant_extents(*constant);
  const auto producer = graph.producer(value);
  if (!producer) return std::nullopt;
  const Node& node = graph.node(*producer);
  if (node.is("Shape")) return shape_extents(graph, node);
  if (node.is("Concat")) return concat_extents(graph, node);
  if (node.is("Gather")) return gather_extents(graph, node);
  if (node.is("Slice")) return slice_extents(graph, node);
  const bool passes = node.is("Cast") || node.is("Squeeze") || node.is("Unsqueeze") ||
                      node.is("Reshape") || node.is("Identity");
  return passes ? known_extents(graph, node.inputs[0]) : std::nullopt;
}

}  // namespace octet
