#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "ops/ops.h"

namespace octet {

// What type and shape rules are made of. Every check refuses through the context, so a message
// always names node and operator.

inline constexpr std::array kFloatTypes{DType::f32, DType::f16, DType::bf16};
/// What fused operators compute in.
inline constexpr std::array kComputeTypes{DType::f32, DType::f16};
inline constexpr std::array kIntegerTypes{DType::i64, DType::i32};
inline constexpr std::array kNumberTypes{DType::f32, DType::f16, DType::bf16, DType::i64,
                                         DType::i32};

/// Input `index` must be present.
void require_input(const InferenceContext& context, size_t index);
/// Input `index` must have one of these dtypes.
void require_dtype(const InferenceContext& context, size_t index, std::span<const DType> allowed);
/// Both inputs must have the same dtype.
void require_same_dtype(const InferenceContext& context, size_t a, size_t b);
void require_rank(const InferenceContext& context, size_t index, size_t rank);
/// Input `index` must have exactly these extents.
void require_dims(const InferenceContext& context, size_t index, const Dims& dims);

/// Axis counted from the front; a negative one counts from the back.
size_t axis_index(const InferenceContext& context, int64_t axis, size_t rank);
/// Extents after NumPy broadcasting. A symbol meets itself or 1.
Dims broadcast(const InferenceContext& context, const Dims& a, const Dims& b);
/// The number behind extent `axis` of input `index`, below 2^31; refuses a symbol and more.
int64_t fixed_extent(const InferenceContext& context, size_t index, size_t axis);

/// Product of extents; every symbol must be bound.
double count_of(const Dims& dims);
/// Elements of input `index`; 0 when it is left out.
double input_count(const InferenceContext& context, size_t index);
/// Elements of output 0.
double output_count(const InferenceContext& context);

/// Dtype a fused operator stores its output in: `out_dtype`, or `fallback`. An f8e4m3 output needs
/// a positive `y_scale`.
DType stored_dtype(const InferenceContext& context, DType fallback);
/// Number attribute `key`, or each of its numbers, must be positive and finite.
void require_positive(const InferenceContext& context, std::string_view key, float fallback);

}  // namespace octet
