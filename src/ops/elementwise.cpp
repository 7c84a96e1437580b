#include <array>

#include "ops/families.h"
#include "ops/rules.h"

namespace octet {
namespace {

std::vector<ValueType> infer_same(const InferenceContext& context) {
  require_dtype(context, 0, kFloatTypes);
  return {context.types[0]};
}

std::vector<ValueType> infer_identity(const InferenceContext& context) {
  return {context.types[0]};
}

std::vector<ValueType> infer_gelu(const InferenceContext& context) {
  const std::string approximate = context.node.text("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    context.refuse(
        fmt::format("attribute approximate is '{}'; it must be none or tanh", approximate));
  }
  return infer_same(context);
}

std::vector<ValueType> infer_arithmetic(const InferenceContext& context) {
  require_dtype(context, 0, kNumberTypes);
  require_same_dtype(context, 0, 1);
  return {
      {context.types[0].dtype, broadcast(context, context.types[0].dims, context.types[1].dims)}};
}

std::vector<ValueType> infer_power(const InferenceContext& context) {
  require_dtype(context, 0, kFloatTypes);
  return infer_arithmetic(context);
}

std::vector<ValueType> infer_equal(const InferenceContext& context) {
  constexpr std::array kComparable{DType::f32, DType::f16, DType::bf16,
                                   DType::i64, DType::i32, DType::boolean};
  require_dtype(context, 0, kComparable);
  require_same_dtype(context, 0, 1);
  return {{DType::boolean, broadcast(context, context.types[0].dims, context.types[1].dims)}};
}

std::vector<ValueType> infer_where(const InferenceContext& context) {
  require_dtype(context, 0, std::array{DType::boolean});
  require_same_dtype(context, 1, 2);
  const Dims branches = broadcast(context, context.types[1].dims, context.types[2].dims);
  return {{context.types[1].dtype, broadcast(context, context.types[0].dims, branches)}};
}

std::vector<ValueType> infer_cast(const InferenceContext& context) {
  constexpr std::array kCastable{DType::f32, DType::f16, DType::bf16,   DType::f8e4m3,
                                 DType::i64, DType::i32, DType::boolean};
  const DType to = dtype_from_onnx(context.node.integer("to", 0));
  require_dtype(context, 0, kCastable);
  if (std::ranges::find(kCastable, to) == kCastable.end()) {
    context.refuse(fmt::format("a cast to {} is not supported", name_of(to)));
  }
  return {{to, context.types[0].dims}};
}

double one_each(const InferenceContext& context) {
  return output_count(context);
}

/// A transcendental function counts as eight operations.
double eight_each(const InferenceContext& context) {
  return 8 * output_count(context);
}

constexpr std::array kOps{
    OpSchema{"", "Add", 2, 2, 1, infer_arithmetic, one_each},
    OpSchema{"", "Sub", 2, 2, 1, infer_arithmetic, one_each},
    OpSchema{"", "Mul", 2, 2, 1, infer_arithmetic, one_each},
    OpSchema{"", "Div", 2, 2, 1, infer_arithmetic, one_each},
    OpSchema{"", "Pow", 2, 2, 1, infer_power, eight_each},
    OpSchema{"", "Equal", 2, 2, 1, infer_equal, one_each},
    OpSchema{"", "Where", 3, 3, 1, infer_where, nullptr},
    OpSchema{"", "Cast", 1, 1, 1, infer_cast, nullptr},
    OpSchema{"", "Sigmoid", 1, 1, 1, infer_same, eight_each},
    OpSchema{"", "Tanh", 1, 1, 1, infer_same, eight_each},
    OpSchema{"", "Erf", 1, 1, 1, infer_same, eight_each},
    OpSchema{"", "Exp", 1, 1, 1, infer_same, eight_each},
    OpSchema{"", "Sqrt", 1, 1, 1, infer_same, one_each},
    OpSchema{"", "Gelu", 1, 1, 1, infer_gelu, eight_each},
    OpSchema{kOctetDomain, "QuickGelu", 1, 1, 1, infer_same, eight_each},
    OpSchema{"", "Identity", 1, 1, 1, infer_identity, nullptr, true},
    OpSchema{kOctetDomain, "Observe", 1, 1, 1, infer_identity, nullptr, true},
};

}  // namespace

std::span<const OpSchema> elementwise_ops() {
  return kOps;
}

}  // namespace octet
