#include <array>

#include "ops/families.h"
#include "ops/parameters.h"
#include "ops/reshape.h"
#include "ops/rules.h"

namespace octet {
namespace {

/// The target shape in input 1; its smallest number may be `lowest`.
Dims target_extents(const InferenceContext& context, int64_t lowest) {
  require_dtype(context, 1, std::array{DType::i64});
  require_rank(context, 1, 1);
  const auto extents = known_extents(context.graph, context.node.inputs[1]);
  if (!extents) {
    context.refuse(
        "the target shape is computed from data; only constants and Shape of known values can be "
        "followed");
  }
  for (const Dim& dim : *extents) {
    const bool is_number = dim.symbol().empty();
    if (is_number && dim.size() < lowest) {
      context.refuse(fmt::format("the target shape holds {}", dim.size()));
    }
  }
  return *extents;
}

std::vector<ValueType> infer_reshape(const InferenceContext& context) {
  const Dims target = target_extents(context, -1);
  const bool allow_zero = context.node.integer("allowzero", 0) != 0;
  return {
      {context.types[0].dtype, reshape_dims(context, context.types[0].dims, target, allow_zero)}};
}

std::vector<ValueType> infer_expand(const InferenceContext& context) {
  return {{context.types[0].dtype,
           broadcast(context, context.types[0].dims, target_extents(context, 0))}};
}

std::vector<ValueType> infer_flatten(const InferenceContext& context) {
  const Dims& dims = context.types[0].dims;
  const int64_t axis = context.node.integer("axis", 1);
  const auto rank = static_cast<int64_t>(dims.size());
  if (axis < -rank || axis > rank) {
    context.refuse(fmt::format("axis {} does not exist in {} axes", axis, rank));
  }
  const auto middle = dims.begin() + (axis < 0 ? axis + rank : axis);
  return {{context.types[0].dtype,
           {product_extent(context, {dims.begin(), middle}),
            product_extent(context, {middle, dims.end()})}}};
}

std::vector<ValueType> infer_squeeze(const InferenceContext& context) {
  const Dims& dims = context.types[0].dims;
  const std::vector<size_t> axes = axes_of(context, dims.size());
  Dims kept;
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    const bool named = std::ranges::binary_search(axes, axis);
    if (named && dims[axis] != Dim(1)) {
      context.refuse(fmt::format("axis {} of {} is not 1", axis, to_string(dims)));
    }
    const bool dropped = named || (axes.empty() && dims[axis] == Dim(1));
    if (!dropped) kept.push_back(dims[axis]);
  }
  return {{context.types[0].dtype, kept}};
}

std::vector<ValueType> infer_unsqueeze(const InferenceContext& context) {
  const Dims& dims = context.types[0].dims;
  const size_t named =
      context.has(1) ? constant_integers(context, 1).size() : context.node.integers("axes").size();
  const size_t rank = dims.size() + named;
  const std::vector<size_t> axes = axes_of(context, rank);
  Dims result;
  auto next = dims.begin();
  for (size_t axis = 0; axis < rank; ++axis) {
    result.push_back(std::ranges::binary_search(axes, axis) ? Dim(1) : *next++);
  }
  return {{context.types[0].dtype, result}};
}

std::vector<ValueType> infer_transpose(const InferenceContext& context) {
  Dims dims;
  for (const size_t axis : permutation_of(context)) dims.push_back(context.types[0].dims[axis]);
  return {{context.types[0].dtype, dims}};
}

std::vector<ValueType> infer_slice(const InferenceContext& context) {
  Dims dims;
  for (const SliceAxis& axis : slice_of(context)) dims.push_back(axis.extent);
  return {{context.types[0].dtype, dims}};
}

std::vector<ValueType> infer_pad(const InferenceContext& context) {
  if (context.node.text("mode", "constant") != "constant") {
    context.refuse("attribute mode must be constant");
  }
  if (context.has(2)) {
    require_same_dtype(context, 0, 2);
    if (!context.types[2].dims.empty()) require_dims(context, 2, {1});
  }
  Dims dims = context.types[0].dims;
  const std::vector<PadAxis> pads = pads_of(context);
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    const int64_t added = pads[axis].before + pads[axis].after;
    if (added != 0) dims[axis] = fixed_extent(context, 0, axis) + added;
  }
  return {{context.types[0].dtype, dims}};
}

std::vector<ValueType> infer_concat(const InferenceContext& context) {
  Dims dims = context.types[0].dims;
  const size_t axis = axis_index(context, context.node.integer("axis", 0), dims.size());
  if (context.types.size() == 1) return {context.types[0]};
  int64_t joined = fixed_extent(context, 0, axis);
  for (size_t input = 1; input < context.types.size(); ++input) {
    require_same_dtype(context, 0, input);
    require_rank(context, input, dims.size());
    dims[axis] = fixed_extent(context, input, axis);
    require_dims(context, input, dims);
    joined += dims[axis].size();
  }
  dims[axis] = joined;
  return {{context.types[0].dtype, dims}};
}

std::vector<ValueType> infer_shape(const InferenceContext& context) {
  const auto extents = known_extents(context.graph, context.node.outputs[0]);
  return {{DType::i64, {static_cast<int64_t>(extents->size())}}};
}

std::vector<ValueType> infer_constant(const InferenceContext& context) {
  const auto found = context.node.attributes.find("value");
  const Tensor* value =
      found == context.node.attributes.end() ? nullptr : std::get_if<Tensor>(&found->second);
  if (value == nullptr) context.refuse("attribute value must hold a tensor");
  return {{value->dtype(), to_dims(value->shape())}};
}

constexpr std::array kOps{
    OpSchema{"", "Reshape", 2, 2, 1, infer_reshape, nullptr, true},
    OpSchema{"", "Flatten", 1, 1, 1, infer_flatten, nullptr, true},
    OpSchema{"", "Squeeze", 1, 2, 1, infer_squeeze, nullptr, true},
    OpSchema{"", "Unsqueeze", 1, 2, 1, infer_unsqueeze, nullptr, true},
    OpSchema{"", "Transpose", 1, 1, 1, infer_transpose, nullptr},
    OpSchema{"", "Expand", 2, 2, 1, infer_expand, nullptr},
    OpSchema{"", "Slice", 3, 5, 1, infer_slice, nullptr, false, true},
    OpSchema{"", "Pad", 2, 4, 1, infer_pad, nullptr},
    OpSchema{"", "Concat", 1, kAnyInputs, 1, infer_concat, nullptr},
    OpSchema{"", "Shape", 1, 1, 1, infer_shape, nullptr, false, true},
    OpSchema{"", "Constant", 0, 0, 1, infer_constant, nullptr},
};

}  // namespace

std::span<const OpSchema> layout_ops() {
  return kOps;
}

}  // namespace octet
