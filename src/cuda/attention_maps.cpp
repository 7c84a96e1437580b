#include "cuda/attention_maps.h"

namespace octet::cuda {
namespace {

uint64_t u64(int64_t value) {
  return static_cast<uint64_t>(value);
}
uint32_t u32(int64_t value) {
  return static_cast<uint32_t>(value);
}

TensorMapSwizzle swizzle_of(int row_bytes) {
  return row_bytes == 128  ? TensorMapSwizzle::b128
         : row_bytes == 64 ? TensorMapSwizzle::b64
                           : TensorMapSwizzle::b32;
}

/// Elements of one row over all heads.
int64_t width_of(const AttentionProblem& problem) {
  return int64_t{problem.heads} * problem.head_dim;
}

}  // namespace

bool is_e4m3(const AttentionProblem& problem) {
  return problem.dtype == DType::f8e4m3;
}

int head_row_bytes(const AttentionProblem& problem) {
  return problem.head_dim * (is_e4m3(problem) ? 1 : 2) <= 64 ? 64 : 128;
}

CUtensorMap head_map(const AttentionProblem& problem, const void* data, int64_t pitch, int rows,
                     int64_t tokens) {
  const int size = is_e4m3(problem) ? 1 : 2;
  const int row_bytes = head_row_bytes(problem);
  return make_tensor_map(data, {is_e4m3(problem) ? TensorMapType::u8 : TensorMapType::f16,
                                {u64(problem.head_dim), u64(problem.heads), u64(tokens)},
                                {u64(int64_t{problem.head_dim} * size), u64(pitch * size)},
                                {u32(row_bytes / size), 1, u32(rows)},
                                swizzle_of(row_bytes),
                                TensorMapPromotion::b128});
}

CUtensorMap ordered_key_map(const AttentionProblem& problem, const void* k, int rows,
                            int64_t tokens) {
  const uint64_t pitch = u64(problem.k_pitch);
  const int row_bytes = head_row_bytes(problem);
  return make_tensor_map(k, {TensorMapType::u8,
                             {u64(width_of(problem)), 2, 4, 2, u64(tokens + 15) / 16},
                             {pitch, 4 * pitch, 2 * pitch, 16 * pitch},
                             {u32(row_bytes), 2, 4, 2, u32(rows / 16)},
                             swizzle_of(row_bytes),
                             TensorMapPromotion::b128});
}

CUtensorMap transposed_value_map(const AttentionProblem& problem, const void* v, int keys,
                                 int64_t tokens) {
  return make_tensor_map(v, {TensorMapType::u8,
                             {u64(tokens), u64(width_of(problem))},
                             {u64(problem.v_pitch)},
                             {u32(keys), u32(problem.head_dim)},
                             swizzle_of(keys),
                             TensorMapPromotion::b128});
}

}  // namespace octet::cuda
