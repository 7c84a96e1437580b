#include <array>

#include "ops/families.h"
#include "ops/rules.h"

namespace octet {
namespace {

std::vector<ValueType> infer_gather(const InferenceContext& context) {
  require_dtype(context, 1, kIntegerTypes);
  const Dims& data = context.types[0].dims;
  const Dims& indices = context.types[1].dims;
  const size_t axis = axis_index(context, context.node.integer("axis", 0), data.size());
  Dims dims(data.begin(), data.begin() + static_cast<int64_t>(axis));
  dims.insert(dims.end(), indices.begin(), indices.end());
  dims.insert(dims.end(), data.begin() + static_cast<int64_t>(axis) + 1, data.end());
  return {{context.types[0].dtype, dims}};
}

std::vector<ValueType> infer_gather_nd(const InferenceContext& context) {
  require_dtype(context, 1, std::array{DType::i64});
  const Dims& data = context.types[0].dims;
  const Dims& indices = context.types[1].dims;
  const int64_t batch = context.node.integer("batch_dims", 0);
  if (indices.empty()) context.refuse("input 1 must have at least one axis");
  const int64_t depth = fixed_extent(context, 1, indices.size() - 1);
  const auto batched = static_cast<int64_t>(indices.size()) - 1;
  if (batch < 0 || batch > batched || depth < 1 ||
      batch + depth > static_cast<int64_t>(data.size())) {
    context.refuse(fmt::format("{} batch axes and indices of {} numbers do not fit {} and {}",
                               batch, depth, to_string(data), to_string(indices)));
  }
  if (!std::equal(data.begin(), data.begin() + batch, indices.begin())) {
    context.refuse(fmt::format("the first {} axes of {} and {} must be the same", batch,
                               to_string(data), to_string(indices)));
  }
  Dims dims(indices.begin(), indices.end() - 1);
  dims.insert(dims.end(), data.begin() + batch + depth, data.end());
  return {{context.types[0].dtype, dims}};
}

constexpr std::array kOps{
    OpSchema{"", "Gather", 2, 2, 1, infer_gather, nullptr, false, true},
    OpSchema{"", "GatherND", 2, 2, 1, infer_gather_nd, nullptr, false, true},
};

}  // namespace

std::span<const OpSchema> gather_ops() {
  return kOps;
}

}  // namespace octet
