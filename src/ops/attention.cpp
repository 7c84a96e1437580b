#include <array>

#include "ops/families.h"
#include "ops/parameters.h"
#include "ops/rules.h"

namespace octet {
namespace {

constexpr std::array kOperandTypes{DType::f32, DType::f16, DType::f8e4m3};

/// `ranges` is i32 [b, 2].
void check_ranges(const InferenceContext& context) {
  require_dtype(context, 3, std::array{DType::i32});
  require_rank(context, 3, 2);
  if (fixed_extent(context, 3, 1) != 2) context.refuse("input 3 must have two columns");
}

void check_scales(const InferenceContext& context) {
  require_positive(context, "scale", 1.0F);
  require_positive(context, "q_scale", 1.0F);
  require_positive(context, "k_scale", 1.0F);
  require_positive(context, "v_scale", 1.0F);
  if (context.node.number("softmax_scale", 0.0F) != 0.0F) {
    require_positive(context, "softmax_scale", 0.0F);
  }
}

/// q, k and v side by side in one input.
void check_packed(const InferenceContext& context) {
  for (const size_t operand : {1, 2}) {
    if (context.has(operand)) {
      context.refuse(fmt::format("input {} must be left out beside a packed q, k, v", operand));
    }
  }
}

/// q of one row a sample, k and v of all rows.
void check_pooled(const InferenceContext& context) {
  require_rank(context, 0, 2);
  require_dims(context, 2, context.types[1].dims);
  if (context.node.integer("causal", 0) != 0) context.refuse("a pooled query cannot be causal");
  const bool ragged = context.has(3);
  require_rank(context, 1, ragged ? 2 : 3);
  const Dim& samples = context.types[ragged ? 3 : 1].dims[0];
  require_dims(context, 0, {samples, context.types[1].dims.back()});
}

void check_operands(const InferenceContext& context, const AttentionOperands& operands) {
  require_dtype(context, 0, kOperandTypes);
  const bool ragged = context.has(3);
  if (ragged) check_ranges(context);
  if (operands.k.input == 0) return check_packed(context);
  for (const size_t operand : {1, 2}) require_same_dtype(context, 0, operand);
  if (operands.pooled_query) return check_pooled(context);
  for (const size_t operand : {1, 2}) require_dims(context, operand, context.types[0].dims);
}

std::vector<ValueType> infer_attention(const InferenceContext& context) {
  const bool pooled = context.node.integer("pooled_query", 0) != 0;
  require_rank(context, 0, context.has(3) || pooled ? 2 : 3);
  const AttentionOperands operands = attention_operands(context);
  check_operands(context, operands);
  const int64_t heads = context.node.integer("heads", 0);
  if (heads < 1 || operands.width % heads != 0) {
    context.refuse(
        fmt::format("a width of {} does not split into {} heads", operands.width, heads));
  }
  check_scales(context);
  Dims dims = context.types[0].dims;
  dims.back() = operands.width;
  return {{stored_dtype(context, context.types[0].dtype), dims}};
}

/// Scores and values are products over every pair of a query row and a key row of a sample; the
/// softmax adds twelve for each pair and head. Ragged samples count as equally long; causal ones in
/// full.
double attention_flops(const InferenceContext& context) {
  const AttentionOperands operands = attention_operands(context);
  const Dims& keys = context.types[operands.k.input].dims;
  const bool ragged = context.has(3);
  const double samples = count_of({ragged ? context.types[3].dims[0] : keys[0]});
  const double rows = ragged ? count_of({keys[0]}) / samples : count_of({keys[1]});
  const double pairs = samples * rows * (operands.pooled_query ? 1 : rows);
  const auto heads = static_cast<double>(context.node.integer("heads", 1));
  return pairs * (4 * static_cast<double>(operands.width) + 12 * heads);
}

constexpr std::array kOps{
    OpSchema{kOctetDomain, "Attention", 1, 4, 1, infer_attention, attention_flops},
};

}  // namespace

std::span<const OpSchema> attention_ops() {
  return kOps;
}

}  // namespace octet
