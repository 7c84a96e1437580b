#include "ops/parameters.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "ops/rules.h"

namespace octet {
namespace {

constexpr int64_t kWholeAxis = std::numeric_limits<int32_t>::max();

/// Constant input `index`, or `fallback` when it is left out.
std::vector<int64_t> integers_or(const InferenceContext& context, size_t index,
                                 std::vector<int64_t> fallback) {
  return context.has(index) ? constant_integers(context, index) : std::move(fallback);
}

std::vector<int64_t> counting(size_t count) {
  std::vector<int64_t> values(count);
  std::iota(values.begin(), values.end(), int64_t{0});
  return values;
}

/// Begin, end and step on an axis of `extent` elements, negative ones counted from the back.
SliceAxis slice_fixed(int64_t extent, int64_t begin, int64_t end, int64_t step) {
  if (extent == 0) return {0, step, int64_t{0}};
  step = std::clamp(step, -kWholeAxis, kWholeAxis);
  if (begin < 0) begin += extent;
  if (end < 0) end += extent;
  const int64_t last = step > 0 ? extent : extent - 1;
  const int64_t first = step > 0 ? 0 : -1;
  begin = std::clamp(begin, int64_t{0}, std::max(last, int64_t{0}));
  end = std::clamp(end, first, last);
  const int64_t span = step > 0 ? end - begin + step - 1 : begin - end - step - 1;
  return {begin, step, std::max(span / std::abs(step), int64_t{0})};
}

SliceAxis slice_axis(const InferenceContext& context, const Dim& extent, int64_t begin, int64_t end,
                     int64_t step) {
  if (step == 0) context.refuse("a step of 0 is not possible");
  if (!extent.is_symbolic()) return slice_fixed(extent.size(), begin, end, step);
  if (begin == 0 && step == 1 && end >= kWholeAxis) return {0, 1, extent};
  context.refuse(
      fmt::format("only part of the symbolic axis '{}' is taken; its extent would have "
                  "no name",
                  extent.symbol()));
}

bool is_pad(int64_t value) {
  return value >= 0 && value <= kWholeAxis;
}

void require_ones(const InferenceContext& context, std::string_view key) {
  for (const int64_t value : context.node.integers(key)) {
    if (value != 1) context.refuse(fmt::format("attribute {} must be all ones", key));
  }
}

/// Attribute of `count` non-negative integers; all `fallback` when it is absent.
std::vector<int64_t> window_integers(const InferenceContext& context, std::string_view key,
                                     size_t count, int64_t fallback) {
  std::vector<int64_t> values = context.node.integers(key);
  if (values.empty()) values.assign(count, fallback);
  if (values.size() != count || !std::ranges::all_of(values, is_pad)) {
    context.refuse(fmt::format("attribute {} must hold {} numbers from 0 to 2^31 - 1", key, count));
  }
  return values;
}

/// Attribute of one number for all sections, or one for each; all 1 when it is absent.
std::vector<float> section_numbers(const InferenceContext& context, std::string_view key,
                                   size_t sections) {
  std::vector<float> values = context.node.numbers(key);
  if (values.empty()) values.push_back(1.0F);
  if (values.size() == 1) values.resize(sections, values.front());
  if (values.size() != sections) {
    context.refuse(
        fmt::format("attribute {} holds {} numbers for {} sections", key, values.size(), sections));
  }
  return values;
}

}  // namespace

bool rounds_steps(const Node& node) {
  return node.text("steps", "f32") == "f16";
}

std::vector<LinearSection> linear_sections(const InferenceContext& context, int64_t columns) {
  std::vector<int64_t> widths = context.node.integers("sections");
  if (widths.empty()) widths.push_back(columns);
  const std::vector<float> alphas = section_numbers(context, "alpha", widths.size());
  const std::vector<float> y_scales = section_numbers(context, "y_scale", widths.size());
  std::vector<LinearSection> sections;
  int64_t begin = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] < 0 || widths[i] > columns - begin) break;
    sections.push_back({begin, begin + widths[i], alphas[i], y_scales[i]});
    begin += widths[i];
  }
  if (sections.size() != widths.size() || begin != columns) {
    context.refuse(fmt::format("attribute sections does not cut up {} columns", columns));
  }
  return sections;
}

AttentionOperands attention_operands(const InferenceContext& context) {
  const bool packed = context.node.integer("packed_qkv", 0) != 0;
  AttentionOperands operands;
  operands.pooled_query = context.node.integer("pooled_query", 0) != 0;
  if (packed && operands.pooled_query) {
    context.refuse("attributes packed_qkv and pooled_query exclude each other");
  }
  const int64_t columns = fixed_extent(context, 0, context.types[0].dims.size() - 1);
  if (!packed) {
    operands.k.input = 1;
    operands.v.input = 2;
    operands.width = columns;
    return operands;
  }
  if (columns % 3 != 0) {
    context.refuse(fmt::format("{} columns do not split into q, k and v", columns));
  }
  operands.width = columns / 3;
  operands.k.column = operands.width;
  operands.v.column = 2 * operands.width;
  return operands;
}

std::vector<int64_t> constant_integers(const InferenceContext& context, size_t index) {
  require_dtype(context, index, kIntegerTypes);
  const Tensor* tensor = context.constant(index);
  if (tensor == nullptr) context.refuse(fmt::format("input {} must be a constant", index));
  std::vector<int64_t> values;
  if (tensor->dtype() == DType::i64) {
    const auto stored = tensor->values<int64_t>();
    values.assign(stored.begin(), stored.end());
  } else {
    const auto stored = tensor->values<int32_t>();
    values.assign(stored.begin(), stored.end());
  }
  return values;
}

std::vector<size_t> axes_of(const InferenceContext& context, size_t rank) {
  const std::vector<int64_t> named = integers_or(context, 1, context.node.integers("axes"));
  std::vector<size_t> axes;
  axes.reserve(named.size());
  for (const int64_t axis : named) axes.push_back(axis_index(context, axis, rank));
  std::ranges::sort(axes);
  if (std::ranges::adjacent_find(axes) != axes.end()) context.refuse("an axis is named twice");
  return axes;
}

std::vector<size_t> permutation_of(const InferenceContext& context) {
  const size_t rank = context.types[0].dims.size();
  std::vector<size_t> permutation;
  for (const int64_t axis : context.node.integers("perm")) {
    permutation.push_back(axis_index(context, axis, rank));
  }
  if (permutation.empty()) {
    for (size_t i = rank; i-- > 0;) permutation.push_back(i);
  }
  std::vector<size_t> sorted = permutation;
  std::ranges::sort(sorted);
  if (sorted.size() != rank || std::ranges::adjacent_find(sorted) != sorted.end()) {
    context.refuse(fmt::format("attribute perm must name each of the {} axes once", rank));
  }
  return permutation;
}

std::vector<SliceAxis> slice_of(const InferenceContext& context) {
  const Dims& dims = context.types[0].dims;
  const std::vector<int64_t> begins = constant_integers(context, 1);
  const std::vector<int64_t> ends = constant_integers(context, 2);
  const std::vector<int64_t> axes = integers_or(context, 3, counting(begins.size()));
  const std::vector<int64_t> steps =
      integers_or(context, 4, std::vector<int64_t>(begins.size(), 1));
  if (ends.size() != begins.size() || axes.size() != begins.size() ||
      steps.size() != begins.size()) {
    context.refuse("starts, ends, axes and steps must be of the same length");
  }
  std::vector<SliceAxis> slices;
  for (const Dim& dim : dims) slices.push_back({0, 1, dim});
  for (size_t i = 0; i < begins.size(); ++i) {
    const size_t axis = axis_index(context, axes[i], dims.size());
    slices[axis] = slice_axis(context, dims[axis], begins[i], ends[i], steps[i]);
  }
  return slices;
}

std::vector<PadAxis> pads_of(const InferenceContext& context) {
  const size_t rank = context.types[0].dims.size();
  const std::vector<int64_t> pads = constant_integers(context, 1);
  const std::vector<int64_t> axes = integers_or(context, 3, counting(rank));
  if (pads.size() != 2 * axes.size()) {
    context.refuse(fmt::format("{} pads do not fit {} axes", pads.size(), axes.size()));
  }
  if (!std::ranges::all_of(pads, is_pad)) {
    context.refuse("pads must be numbers from 0 to 2^31 - 1; negative ones are not supported");
  }
  std::vector<PadAxis> result(rank);
  for (size_t i = 0; i < axes.size(); ++i) {
    result[axis_index(context, axes[i], rank)] = {pads[i], pads[axes.size() + i]};
  }
  return result;
}

ConvWindow conv_window_of(const InferenceContext& context) {
  const Node& node = context.node;
  if (node.integer("group", 1) != 1) context.refuse("attribute group must be 1");
  if (node.text("auto_pad", "NOTSET") != "NOTSET") {
    context.refuse("attribute auto_pad is not supported; give pads");
  }
  require_ones(context, "dilations");
  const std::array kernel{fixed_extent(context, 1, 2), fixed_extent(context, 1, 3)};
  if (std::ranges::min(kernel) < 1) context.refuse("the kernel is empty");
  const auto named = node.integers("kernel_shape");
  if (!named.empty() && !std::ranges::equal(named, kernel)) {
    context.refuse("attribute kernel_shape is not that of the weight");
  }
  const auto strides = window_integers(context, "strides", 2, 1);
  const auto pads = window_integers(context, "pads", 4, 0);
  if (strides[0] == 0 || strides[1] == 0) context.refuse("a stride of 0 is not possible");
  return {kernel, {strides[0], strides[1]}, {pads[0], pads[1]}, {pads[2], pads[3]}};
}

}  // namespace octet
