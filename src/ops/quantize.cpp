#include <algorithm>
#include <array>

#include "ops/families.h"
#include "ops/rules.h"

namespace octet {
namespace {

/// The scale is one number, or one per element of the attribute `axis`.
void check_scale(const InferenceContext& context) {
  const Dims& scale = context.types[1].dims;
  if (context.node.integer("block_size", 0) != 0)
    context.refuse("blocked scales are not supported");
  if (scale.empty()) return;
  const Dims& dims = context.types[0].dims;
  const size_t axis = axis_index(context, context.node.integer("axis", 1), dims.size());
  require_dims(context, 1, {dims[axis]});
}

/// A zero point only says the FP8 dtype; its value is zero.
void check_zero_point(const InferenceContext& context) {
  require_dtype(context, 2, std::array{DType::f8e4m3});
  const Tensor* zero = context.constant(2);
  const bool zeros = zero != nullptr && std::ranges::all_of(zero->values<uint8_t>(),
                                                            [](uint8_t code) { return code == 0; });
  if (!zeros) context.refuse("the zero point must be a constant 0");
}

std::vector<ValueType> infer_quantize(const InferenceContext& context) {
  require_dtype(context, 0, kFloatTypes);
  require_same_dtype(context, 0, 1);
  check_scale(context);
  if (context.node.integer("saturate", 1) != 1) context.refuse("attribute saturate must be 1");
  const int64_t e4m3 = onnx_code_of(DType::f8e4m3);
  const bool named = context.node.integer("output_dtype", 0) == e4m3;
  if (!context.has(2) && !named) {
    context.refuse("without a zero point the output is u8; only f8e4m3 is supported");
  }
  if (context.has(2)) check_zero_point(context);
  return {{DType::f8e4m3, context.types[0].dims}};
}

std::vector<ValueType> infer_dequantize(const InferenceContext& context) {
  require_dtype(context, 0, std::array{DType::f8e4m3});
  require_dtype(context, 1, kFloatTypes);
  check_scale(context);
  if (context.has(2)) check_zero_point(context);
  return {{context.types[1].dtype, context.types[0].dims}};
}

std::vector<ValueType> infer_fake_quantize_rows(const InferenceContext& context) {
  require_dtype(context, 0, kComputeTypes);
  if (context.types[0].dims.empty()) context.refuse("input 0 must have at least one axis");
  return {context.types[0]};
}

/// A division or product and a rounding.
double two_each(const InferenceContext& context) {
  return 2 * input_count(context, 0);
}

/// The maximum, quantize and dequantize.
double five_each(const InferenceContext& context) {
  return 5 * input_count(context, 0);
}

constexpr std::array kOps{
    OpSchema{"", "QuantizeLinear", 2, 3, 1, infer_quantize, two_each},
    OpSchema{"", "DequantizeLinear", 2, 3, 1, infer_dequantize, two_each},
    OpSchema{kOctetDomain, "FakeQuantizeRows", 1, 1, 1, infer_fake_quantize_rows, five_each},
};

}  // namespace

std::span<const OpSchema> quantize_ops() {
  return kOps;
}

}  // namespace octet
