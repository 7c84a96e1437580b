// Plain attention for any dtype, head and number of rows: a warp a query row, two passes over its
// keys, the scores computed in both.
//   SAMPLES, HEADS, HEAD  how many, and the extent of a head
//   Q, K, V      an element: `row` counts all rows of the operand, `column` those of its own part
//   KEYS_BEGIN, KEYS  a sample's rows of k and v; QUERIES_BEGIN, QUERIES those of q and y
//   CAUSAL; FACTOR of the scores, V_SCALE, SOFTMAX_SCALE (0: probabilities are kept), Y_SCALE
//   ROUNDED      scores, probabilities and results are rounded to FP16 as steps of the plain graph
#include "generic.cuh"

constexpr int kWarps = 8;
constexpr int kParts = 8;  // of a sample's and head's queries, a block each
constexpr int kColumns = (HEAD + 31) / 32;

__device__ __forceinline__ float rounded(float x) { return ROUNDED ? round_f16(x) : x; }

__device__ __forceinline__ float probability(float score, float highest, float sum) {
  const float p = rounded(expf(score - highest) / sum);
  if (SOFTMAX_SCALE == 0.f) return p;
  return to_float(narrow<e4m3>(p / SOFTMAX_SCALE)) * SOFTMAX_SCALE;
}

__device__ __forceinline__ float score_of(const Operands& operands, const float* q, Index row,
                                          Index head) {
  float sum = 0;
  for (int i = 0; i < HEAD; ++i) {
    const Index column = head * HEAD + i;
    sum = fmaf(q[i], K, sum);
  }
  return rounded(sum * FACTOR);
}

__device__ __forceinline__ void attend(const Operands& operands, const float* q, Index begin,
                                       Index seen, Index head, float (&mixed)[kColumns]) {
  float highest = __int_as_float(0xff800000), sum = 0;
  for (Index key = lane_id(); key < seen; key += 32) {
    const float score = score_of(operands, q, begin + key, head);
    const float before = highest;
    highest = fmaxf(highest, score);
    sum = sum * expf(before - highest) + expf(score - highest);
  }
  const float own = highest;
  highest = warp_max(highest);
  sum = warp_sum(sum == 0 ? 0.f : sum * expf(own - highest));
  for (Index first = 0; first < seen; first += 32) {
    const Index key = first + lane_id();
    const float p =
        key < seen ? probability(score_of(operands, q, begin + key, head), highest, sum) : 0.f;
    const int keys = seen - first < 32 ? (int)(seen - first) : 32;
    for (int i = 0; i < keys; ++i) {
      const float factor = __shfl_sync(~0u, p, i);
      const Index row = begin + first + i;
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
        const int at = j * 32 + lane_id();
        const Index column = head * HEAD + at;
        if (at < HEAD) mixed[j] = fmaf(factor, V, mixed[j]);
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__(kWarps * 32)
    plain_attention(const __grid_constant__ Operands operands,
                    const __grid_constant__ Sizes sizes) {
  __shared__ float queries[kWarps][HEAD];
  float* const q = queries[threadIdx.x / 32];
  Y* const y = (Y*)operands.at[OUTPUT];
  const Index tasks = SAMPLES * HEADS * kParts;
  for (Index task = blockIdx.x; task < tasks; task += gridDim.x) {
    const Index head = task / kParts % HEADS, sample = task / (kParts * HEADS);
    const Index begin = KEYS_BEGIN, keys = KEYS, count = QUERIES;
    Index query = task % kParts * kWarps + threadIdx.x / 32;
    for (; query < count; query += kParts * kWarps) {
      const Index row = QUERIES_BEGIN + query;
      __syncwarp();
      for (int i = lane_id(); i < HEAD; i += 32) {
        const Index column = head * HEAD + i;
        q[i] = Q;
      }
      __syncwarp();
      float mixed[kColumns] = {};
      attend(operands, q, begin, CAUSAL ? query + 1 : keys, head, mixed);
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
        const int at = j * 32 + lane_id();
        if (at < HEAD) {
          y[row * (HEADS * HEAD) + head * HEAD + at] =
              narrow<Y>(rounded(mixed[j] * V_SCALE) / Y_SCALE);
        }
      }
    }
  }
}
