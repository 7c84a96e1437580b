#include <array>

#include "ops/families.h"
#include "ops/reshape.h"
#include "ops/rules.h"

namespace octet {
namespace {

constexpr std::array kPooledTypes{DType::f32, DType::f16, DType::bf16, DType::f8e4m3};

void check_ids(const InferenceContext& context) {
  require_dtype(context, 0, std::array{DType::i64});
  require_rank(context, 0, 2);
}

/// The symbol that counts all rows, as the octet.RowRanges that made input `index` names it.
Dim row_symbol(const InferenceContext& context, size_t index) {
  const auto producer = context.graph.producer(context.node.inputs[index]);
  const Node* node = producer ? &context.graph.node(*producer) : nullptr;
  if (node == nullptr || !node->is("RowRanges", kOctetDomain)) {
    context.refuse(fmt::format("input {} must come from octet.RowRanges", index));
  }
  return node->text("symbol", "");
}

std::vector<ValueType> infer_row_ranges(const InferenceContext& context) {
  check_ids(context);
  if (context.node.text("symbol", "").empty()) context.refuse("attribute symbol is missing");
  return {{DType::i32, {context.types[0].dims[0], 2}}};
}

std::vector<ValueType> infer_embedding(const InferenceContext& context) {
  check_ids(context);
  require_dtype(context, 1, kComputeTypes);
  require_same_dtype(context, 1, 2);
  require_rank(context, 1, 2);
  require_rank(context, 2, 2);
  const Dim& width = context.types[1].dims[1];
  require_dims(context, 2, {fixed_extent(context, 2, 0), width});
  const Dims& ids = context.types[0].dims;
  if (!ids[1].is_symbolic() && ids[1].size() > fixed_extent(context, 2, 0)) {
    context.refuse(fmt::format("{} ids a sample exceed the {} positions", ids[1].size(),
                               fixed_extent(context, 2, 0)));
  }
  if (!context.has(3)) return {{context.types[1].dtype, {ids[0], ids[1], width}}};
  require_dtype(context, 3, std::array{DType::i32});
  require_dims(context, 3, {ids[0], 2});
  return {{context.types[1].dtype, {row_symbol(context, 3), width}}};
}

std::vector<ValueType> infer_pool_last(const InferenceContext& context) {
  require_dtype(context, 0, kPooledTypes);
  require_rank(context, 0, 2);
  require_dtype(context, 1, std::array{DType::i32});
  require_rank(context, 1, 2);
  const Dim& samples = context.types[1].dims[0];
  require_dims(context, 1, {samples, 2});
  return {{context.types[0].dtype, {samples, context.types[0].dims[1]}}};
}

/// Rows that come from patches of an image of these extents.
int64_t patch_rows(const InferenceContext& context) {
  const int64_t patch = context.node.integer("patch", 0);
  const int64_t height = fixed_extent(context, 0, 2);
  const int64_t width = fixed_extent(context, 0, 3);
  if (patch < 1 || height % patch != 0 || width % patch != 0) {
    context.refuse(
        fmt::format("an image of {} x {} does not split into patches of {}", height, width, patch));
  }
  return height / patch * (width / patch);
}

std::vector<ValueType> infer_patch_embedding(const InferenceContext& context) {
  require_dtype(context, 0, kComputeTypes);
  require_same_dtype(context, 0, 1);
  require_same_dtype(context, 0, 2);
  require_rank(context, 0, 4);
  require_rank(context, 1, 2);
  const int64_t leading = context.node.integer("leading", 0);
  if (leading < 0) context.refuse("attribute leading must not be negative");
  const int64_t rows = leading + patch_rows(context);
  const int64_t patch = context.node.integer("patch", 0);
  const Dim& width = context.types[1].dims[1];
  require_dims(context, 1,
               {product_extent(context, {fixed_extent(context, 0, 1), patch, patch}), width});
  require_dims(context, 2, {rows, width});
  return {{context.types[0].dtype, {context.types[0].dims[0], rows, width}}};
}

double embedding_flops(const InferenceContext& context) {
  return input_count(context, 0) * count_of({context.types[1].dims[1]});
}

double patch_embedding_flops(const InferenceContext& context) {
  return 2 * input_count(context, 0) * count_of({context.types[1].dims[1]}) + output_count(context);
}

constexpr std::array kOps{
    OpSchema{kOctetDomain, "RowRanges", 1, 1, 1, infer_row_ranges, nullptr},
    OpSchema{kOctetDomain, "Embedding", 3, 4, 1, infer_embedding, embedding_flops, false, true},
    OpSchema{kOctetDomain, "PoolLast", 2, 2, 1, infer_pool_last, nullptr, false, true},
    OpSchema{kOctetDomain, "PatchEmbedding", 3, 3, 1, infer_patch_embedding, patch_embedding_flops},
};

}  // namespace

std::span<const OpSchema> embedding_ops() {
  return kOps;
}

}  // namespace octet
