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

/// Follows a value back to what it is made of. A file may chain nodes so that following them never
/// ends in practice, hence the budget.
class Follower {
 public:
  explicit Follower(const Graph& graph) : graph_(graph) {}

  Extents follow(ValueId value) {
    if (--budget_ < 0) return std::nullopt;
    if (const auto& constant = graph_.value(value).constant) return constant_extents(*constant);
    const auto producer = graph_.producer(value);
    if (!producer) return std::nullopt;
    const Node& node = graph_.node(*producer);
    if (node.is("Shape")) return shape_extents(graph_, node);
    if (node.is("Concat")) return concat(node);
    if (node.is("Gather")) return gather(node);
    if (node.is("Slice")) return slice(node);
    const bool passes = node.is("Squeeze") || node.is("Unsqueeze") || node.is("Reshape") ||
                        node.is("Identity") || (node.is("Cast") && is_integer(value));
    return passes ? follow(node.inputs[0]) : std::nullopt;
  }

 private:
  static constexpr size_t kMostExtents = 64;

  [[nodiscard]] bool is_integer(ValueId value) const {
    return std::ranges::find(kIntegerTypes, graph_.value(value).dtype) != kIntegerTypes.end();
  }

  /// The elements of a vector; nullopt for any other rank.
  Extents vector(ValueId value) {
    return graph_.value(value).dims.size() == 1 ? follow(value) : std::nullopt;
  }

  Extents concat(const Node& node) {
    Dims all;
    for (const ValueId input : node.inputs) {
      const Extents part = vector(input);
      if (!part || all.size() + part->size() > kMostExtents) return std::nullopt;
      all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  }

  Extents gather(const Node& node) {
    const Extents data = vector(node.inputs[0]);
    const InferenceContext context = context_of(graph_, node);
    if (!data || context.constant(1) == nullptr) return std::nullopt;
    Dims picked;
    for (const int64_t index : constant_integers(context, 1)) {
      picked.push_back((*data)[axis_index(context, index, data->size())]);
    }
    return picked;
  }

  Extents slice(const Node& node) {
    const Extents data = vector(node.inputs[0]);
    if (!data) return std::nullopt;
    const SliceAxis axis = slice_of(context_of(graph_, node)).front();
    Dims picked;
    for (int64_t i = 0; i < axis.extent.size(); ++i) {
      picked.push_back((*data)[static_cast<size_t>(axis.start + i * axis.step)]);
    }
    return picked;
  }

  const Graph& graph_;
  int budget_ = 1024;
};

}  // namespace

std::optional<Dims> known_extents(const Graph& graph, ValueId value) {
  return Follower(graph).follow(value);
}

}  // namespace octet
