#include <array>
#include <numeric>

#include "ops/families.h"
#include "ops/parameters.h"
#include "ops/rules.h"

namespace octet {
namespace {

std::vector<ValueType> infer_reduce_mean(const InferenceContext& context) {
  require_dtype(context, 0, kFloatTypes);
  const Dims& data = context.types[0].dims;
  std::vector<size_t> axes = axes_of(context, data.size());
  if (axes.empty()) {
    if (context.node.integer("noop_with_empty_axes", 0) != 0) return {context.types[0]};
    axes.resize(data.size());
    std::iota(axes.begin(), axes.end(), size_t{0});
  }
  const bool keep = context.node.integer("keepdims", 1) != 0;
  Dims dims;
  for (size_t axis = 0; axis < data.size(); ++axis) {
    if (!std::ranges::binary_search(axes, axis)) {
      dims.push_back(data[axis]);
    } else if (keep) {
      dims.emplace_back(1);
    }
  }
  return {{context.types[0].dtype, dims}};
}

std::vector<ValueType> infer_arg_max(const InferenceContext& context) {
  require_dtype(context, 0, kNumberTypes);
  if (context.node.integer("select_last_index", 0) != 0) {
    context.refuse("attribute select_last_index is not supported");
  }
  Dims dims = context.types[0].dims;
  const size_t axis = axis_index(context, context.node.integer("axis", 0), dims.size());
  if (dims[axis] == Dim(int64_t{0})) context.refuse(fmt::format("axis {} is empty", axis));
  if (context.node.integer("keepdims", 1) != 0) {
    dims[axis] = 1;
  } else {
    dims.erase(dims.begin() + static_cast<int64_t>(axis));
  }
  return {{DType::i64, dims}};
}

double one_each(const InferenceContext& context) {
  return input_count(context, 0);
}

constexpr std::array kOps{
    OpSchema{"", "ReduceMean", 1, 2, 1, infer_reduce_mean, one_each},
    OpSchema{"", "ArgMax", 1, 1, 1, infer_arg_max, one_each},
};

}  // namespace

std::span<const OpSchema> reduce_ops() {
  return kOps;
}

}  // namespace octet
