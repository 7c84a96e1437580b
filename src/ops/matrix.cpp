#include <array>

#include "ops/families.h"
#include "ops/parameters.h"
#include "ops/rules.h"

namespace octet {
namespace {

constexpr std::array kActivationTypes{DType::f32, DType::f16, DType::f8e4m3};
constexpr std::array kWeightTypes{DType::f32, DType::f16, DType::bf16, DType::f8e4m3};

/// The inner extents of a product must be the same.
void require_inner(const InferenceContext& context, const Dim& left, const Dim& right) {
  if (left == right) return;
  context.refuse(fmt::format("the inner extents {} and {} differ", to_string(Dims{left}),
                             to_string(Dims{right})));
}

std::vector<ValueType> infer_matmul(const InferenceContext& context) {
  require_dtype(context, 0, kFloatTypes);
  require_same_dtype(context, 0, 1);
  const Dims& a = context.types[0].dims;
  const Dims& b = context.types[1].dims;
  if (a.size() < 2 || b.size() < 2) context.refuse("both inputs must have at least two axes");
  require_inner(context, a.back(), b[b.size() - 2]);
  Dims dims = broadcast(context, {a.begin(), a.end() - 2}, {b.begin(), b.end() - 2});
  dims.push_back(a[a.size() - 2]);
  dims.push_back(b.back());
  return {{context.types[0].dtype, dims}};
}

double matmul_flops(const InferenceContext& context) {
  return 2 * output_count(context) * count_of({context.types[0].dims.back()});
}

std::vector<ValueType> infer_gemm(const InferenceContext& context) {
  require_dtype(context, 0, kFloatTypes);
  require_same_dtype(context, 0, 1);
  require_rank(context, 0, 2);
  require_rank(context, 1, 2);
  const size_t a_rows = context.node.integer("transA", 0) != 0 ? 1 : 0;
  const size_t b_rows = context.node.integer("transB", 0) != 0 ? 1 : 0;
  const Dims& a = context.types[0].dims;
  const Dims& b = context.types[1].dims;
  require_inner(context, a[1 - a_rows], b[b_rows]);
  const Dims dims{a[a_rows], b[1 - b_rows]};
  if (context.has(2)) {
    require_same_dtype(context, 0, 2);
    if (broadcast(context, dims, context.types[2].dims) != dims) {
      context.refuse(fmt::format("input 2 of shape {} does not broadcast to {}",
                                 to_string(context.types[2].dims), to_string(dims)));
    }
  }
  return {{context.types[0].dtype, dims}};
}

double gemm_flops(const InferenceContext& context) {
  const size_t inner = context.node.integer("transA", 0) != 0 ? 0 : 1;
  return 2 * output_count(context) * count_of({context.types[0].dims[inner]});
}

/// Windows along one axis: `axis` 0 is height, 1 is width.
int64_t conv_extent(const InferenceContext& context, const ConvWindow& window, size_t axis) {
  const int64_t padded =
      fixed_extent(context, 0, axis + 2) + window.pad_before[axis] + window.pad_after[axis];
  if (padded < window.kernel[axis]) {
    context.refuse(fmt::format("a kernel of {} does not fit a padded extent of {}",
                               window.kernel[axis], padded));
  }
  return (padded - window.kernel[axis]) / window.stride[axis] + 1;
}

std::vector<ValueType> infer_conv(const InferenceContext& context) {
  require_dtype(context, 0, kFloatTypes);
  require_same_dtype(context, 0, 1);
  require_rank(context, 0, 4);
  require_rank(context, 1, 4);
  require_inner(context, context.types[0].dims[1], context.types[1].dims[1]);
  const ConvWindow window = conv_window_of(context);
  const Dim& channels = context.types[1].dims[0];
  if (fixed_extent(context, 1, 0) == 0) context.refuse("the weight has no output channels");
  if (context.has(2)) {
    require_same_dtype(context, 0, 2);
    require_dims(context, 2, {channels});
  }
  return {{context.types[0].dtype,
           {context.types[0].dims[0], channels, conv_extent(context, window, 0),
            conv_extent(context, window, 1)}}};
}

double conv_flops(const InferenceContext& context) {
  const Dims& weight = context.types[1].dims;
  return 2 * output_count(context) * count_of({weight[1], weight[2], weight[3]});
}

void check_activation(const InferenceContext& context) {
  constexpr std::array<std::string_view, 4> kNames{"none", "quick_gelu", "gelu", "gelu_tanh"};
  const std::string name = context.node.text("activation", "none");
  if (std::ranges::find(kNames, name) != kNames.end()) return;
  context.refuse(fmt::format(
      "attribute activation is '{}'; it must be none, quick_gelu, gelu or gelu_tanh", name));
}

void check_linear_epilogue(const InferenceContext& context, const Dims& dims) {
  if (context.has(2)) {
    require_dtype(context, 2, std::array{DType::f32});
    if (!context.types[2].dims.empty()) require_dims(context, 2, {dims.back()});
  }
  if (context.has(3)) {
    require_dtype(context, 3, kComputeTypes);
    require_dims(context, 3, {dims.back()});
  }
  if (context.has(4)) {
    require_dtype(context, 4, kComputeTypes);
    require_dims(context, 4, dims);
  }
}

std::vector<ValueType> infer_linear(const InferenceContext& context) {
  require_dtype(context, 0, kActivationTypes);
  require_dtype(context, 1, kWeightTypes);
  require_rank(context, 1, 2);
  Dims dims = context.types[0].dims;
  if (dims.empty()) context.refuse("input 0 must have at least one axis");
  require_inner(context, dims.back(), context.types[1].dims[0]);
  dims.back() = context.types[1].dims[1];
  check_activation(context);
  check_linear_epilogue(context, dims);
  require_positive(context, "x_scale", 1.0F);
  linear_sections(context, fixed_extent(context, 1, 1));
  return {{stored_dtype(context, context.types[0].dtype), dims}};
}

double linear_flops(const InferenceContext& context) {
  return 2 * input_count(context, 0) * count_of({context.types[1].dims[1]});
}

constexpr std::array kOps{
    OpSchema{"", "MatMul", 2, 2, 1, infer_matmul, matmul_flops},
    OpSchema{"", "Gemm", 2, 3, 1, infer_gemm, gemm_flops},
    OpSchema{"", "Conv", 2, 3, 1, infer_conv, conv_flops},
    OpSchema{kOctetDomain, "Linear", 2, 5, 1, infer_linear, linear_flops},
};

}  // namespace

std::span<const OpSchema> matrix_ops() {
  return kOps;
}

}  // namespace octet
