#include <array>

#include "ops/families.h"
#include "ops/rules.h"

namespace octet {
namespace {

/// Scale and shift of one extent each, in one dtype.
void check_affine(const InferenceContext& context) {
  const Dims& dims = context.types[0].dims;
  if (dims.empty()) context.refuse("input 0 must have at least one axis");
  require_dims(context, 1, {dims.back()});
  if (!context.has(2)) return;
  require_same_dtype(context, 1, 2);
  require_dims(context, 2, {dims.back()});
}

std::vector<ValueType> infer_layer_normalization(const InferenceContext& context) {
  require_dtype(context, 0, kFloatTypes);
  require_same_dtype(context, 0, 1);
  const size_t rank = context.types[0].dims.size();
  if (axis_index(context, context.node.integer("axis", -1), rank) + 1 != rank) {
    context.refuse("attribute axis must be the last axis");
  }
  check_affine(context);
  return {context.types[0]};
}

std::vector<ValueType> infer_layer_norm(const InferenceContext& context) {
  require_dtype(context, 0, kComputeTypes);
  require_dtype(context, 1, kComputeTypes);
  check_affine(context);
  return {{stored_dtype(context, context.types[0].dtype), context.types[0].dims}};
}

std::vector<ValueType> infer_softmax(const InferenceContext& context) {
  require_dtype(context, 0, kFloatTypes);
  axis_index(context, context.node.integer("axis", -1), context.types[0].dims.size());
  return {context.types[0]};
}

/// Mean, centring, square and sum, scaling, gain and shift.
double layer_norm_flops(const InferenceContext& context) {
  return 7 * input_count(context, 0);
}

/// Maximum, difference, exponential (eight), sum and division.
double softmax_flops(const InferenceContext& context) {
  return 12 * input_count(context, 0);
}

constexpr std::array kOps{
    OpSchema{"", "LayerNormalization", 2, 3, 1, infer_layer_normalization, layer_norm_flops},
    OpSchema{"", "Softmax", 1, 1, 1, infer_softmax, softmax_flops},
    OpSchema{kOctetDomain, "LayerNorm", 2, 3, 1, infer_layer_norm, layer_norm_flops},
};

}  // namespace

std::span<const OpSchema> normalization_ops() {
  return kOps;
}

}  // namespace octet
