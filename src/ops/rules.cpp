#include "ops/rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace octet {
namespace {

std::string names_of(std::span<const DType> dtypes) {
  std::string text;
  for (const DType dtype : dtypes) {
    if (!text.empty()) text += ", ";
    text += name_of(dtype);
  }
  return text;
}

/// One extent after broadcasting; refuses what does not fit.
Dim broadcast_extent(const InferenceContext& context, const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (a == Dim(1)) return b;
  if (b == Dim(1)) return a;
  context.refuse(
      fmt::format("extents {} and {} do not broadcast", to_string(Dims{a}), to_string(Dims{b})));
}

}  // namespace

void require_input(const InferenceContext& context, size_t index) {
  if (!context.has(index)) context.refuse(fmt::format("input {} is missing", index));
}

void require_dtype(const InferenceContext& context, size_t index, std::span<const DType> allowed) {
  require_input(context, index);
  const DType dtype = context.types[index].dtype;
  if (std::ranges::find(allowed, dtype) != allowed.end()) return;
  context.refuse(fmt::format("input {} is {}; it must be one of {}", index, name_of(dtype),
                             names_of(allowed)));
}

void require_same_dtype(const InferenceContext& context, size_t a, size_t b) {
  require_input(context, a);
  require_input(context, b);
  const DType first = context.types[a].dtype;
  const DType second = context.types[b].dtype;
  if (first == second) return;
  context.refuse(fmt::format("input {} is {} and input {} is {}; they must be the same", a,
                             name_of(first), b, name_of(second)));
}

void require_rank(const InferenceContext& context, size_t index, size_t rank) {
  require_input(context, index);
  const Dims& dims = context.types[index].dims;
  if (dims.size() == rank) return;
  context.refuse(
      fmt::format("input {} has shape {}; it must have {} axes", index, to_string(dims), rank));
}

void require_dims(const InferenceContext& context, size_t index, const Dims& dims) {
  require_input(context, index);
  const Dims& actual = context.types[index].dims;
  if (actual == dims) return;
  context.refuse(fmt::format("input {} has shape {}; it must be {}", index, to_string(actual),
                             to_string(dims)));
}

size_t axis_index(const InferenceContext& context, int64_t axis, size_t rank) {
  const auto extent = static_cast<int64_t>(rank);
  const int64_t index = axis < 0 ? axis + extent : axis;
  if (index >= 0 && index < extent) return static_cast<size_t>(index);
  context.refuse(fmt::format("axis {} does not exist in {} axes", axis, rank));
}

Dims broadcast(const InferenceContext& context, const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims result = longer;
  const size_t lead = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    result[lead + i] = broadcast_extent(context, longer[lead + i], shorter[i]);
  }
  return result;
}

int64_t fixed_extent(const InferenceContext& context, size_t index, size_t axis) {
  const Dim& dim = context.types.at(index).dims.at(axis);
  if (dim.is_symbolic()) {
    context.refuse(
        fmt::format("axis {} of input {} is the symbol '{}'; it must have a fixed extent", axis,
                    index, dim.symbol()));
  }
  if (dim.size() > std::numeric_limits<int32_t>::max()) {
    context.refuse(fmt::format("axis {} of input {} has {} elements; at most 2^31 - 1 are possible",
                               axis, index, dim.size()));
  }
  return dim.size();
}

double count_of(const Dims& dims) {
  double count = 1;
  for (const Dim& dim : dims) {
    if (dim.is_symbolic()) fail(ErrorCode::usage, "symbol '{}' has no size", dim.symbol());
    count *= static_cast<double>(dim.size());
  }
  return count;
}

double input_count(const InferenceContext& context, size_t index) {
  return context.has(index) ? count_of(context.types[index].dims) : 0;
}

double output_count(const InferenceContext& context) {
  const OpSchema* schema = find_op(context.node.domain, context.node.op);
  return count_of(schema->infer(context).front().dims);
}

DType stored_dtype(const InferenceContext& context, DType fallback) {
  const std::string name = context.node.text("out_dtype", name_of(fallback));
  if (name == "f32") return DType::f32;
  if (name == "f16") return DType::f16;
  if (name != "f8e4m3") {
    context.refuse(fmt::format("attribute out_dtype is '{}'; it must be f32, f16 or f8e4m3", name));
  }
  if (!context.node.attributes.contains("out_dtype")) {
    context.refuse("attribute out_dtype is missing; FP8 inputs leave no default");
  }
  require_positive(context, "y_scale", 0.0F);
  return DType::f8e4m3;
}

void require_positive(const InferenceContext& context, std::string_view key, float fallback) {
  std::vector<float> values = context.node.numbers(key);
  if (values.empty()) values.push_back(fallback);
  for (const float value : values) {
    if (std::isfinite(value) && value > 0.0F) continue;
    context.refuse(fmt::format("attribute {} is {}; it must be a positive number", key, value));
  }
}

}  // namespace octet
