#include <array>

#include "ops/families.h"
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

std::vector<ValueType> infer_attention(const InferenceContext& context) {
  require_dtype(context, 0, kOperandTypes);
  for (const size_t operand : {1, 2}) {
    require_same_dtype(context, 0, operand);
    require_dims(context, operand, context.types[0].dims);
  }
  const bool ragged = context.has(3);
  require_rank(context, 0, ragged ? 2 : 3);
  if (ragged) check_ranges(context);
  const int64_t heads = context.node.integer("heads", 0);
  const int64_t width = fixed_extent(context, 0, ragged ? 1 : 2);
  if (heads < 1 || width % heads != 0) {
    context.refuse(fmt::format("a width of {} does not split into {} heads", width, heads));
  }
  check_scales(context);
  return {{stored_dtype(context, context.types[0].dtype), context.types[0].dims}};
}

/// Scores and values are products over every pair of rows of a sample; the softmax adds twelve for
/// each pair and head. Ragged samples count as equally long; causal ones in full.
double attention_flops(const InferenceContext& context) {
  const Dims& dims = context.types[0].dims;
  const bool ragged = context.has(3);
  const double samples = count_of({ragged ? context.types[3].dims[0] : dims[0]});
  const double rows = ragged ? count_of({dims[0]}) / samples : count_of({dims[1]});
  const double pairs = samples * rows * rows;
  const auto heads = static_cast<double>(context.node.integer("heads", 1));
  return pairs * (4 * count_of({dims.back()}) + 12 * heads);
}

constexpr std::array kOps{
    OpSchema{kOctetDomain, "Attention", 3, 4, 1, infer_attention, attention_flops},
};

}  // namespace

std::span<const OpSchema> attention_ops() {
  return kOps;
}

}  // namespace octet
