#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cuda/attention.h"

namespace octet::cuda {

/// What the scores of a case look like. The kernels treat rows without a positive score apart.
enum class Scores { normal, sharp, flat, huge, negative };

/// One attention to compute: the problem, its samples and its data.
struct AttentionCase {
  AttentionProblem problem;  ///< pitches are set by `prepared`
  int batch = 1;
  std::vector<int> rows;  ///< of the samples, in turn, when ragged
  Scores scores = Scores::normal;
  bool identity_values = false;  ///< the output shows probabilities instead of mixing them
  int distinct = 2;              ///< samples with data of their own; the others repeat them
};

/// The case with dense pitches: q, k and v side by side, or q and k beside each other.
AttentionCase prepared(AttentionCase problem_case);

/// Random operands of one sample, as the dtype stores them, [rows, heads * head_dim] each, and the
/// result in float64 with the graph's rounding of probabilities.
struct AttentionSample {
  int64_t rows = 0;
  std::vector<std::byte> q;
  std::vector<std::byte> k;
  std::vector<std::byte> v;
  std::vector<double> y;  ///< [query rows, heads * head_dim], in units of the y scale
};

/// What a case computes, whatever the layout.
struct AttentionSamples {
  AttentionScales scales;
  std::vector<AttentionSample> distinct;  ///< sample i of a batch is number i % distinct
};
AttentionSamples make_samples(const AttentionCase& problem_case);

/// Softmax of one row's products of codes, rounded as the graph's quantizer does.
std::vector<double> probabilities(const AttentionProblem& problem, const AttentionScales& scales,
                                  std::vector<double> scores);

/// Operands in host memory, as the kernels take them.
struct AttentionData {
  std::vector<std::byte> q;  ///< with k beside it, and v when it is not transposed
  std::vector<std::byte> v;  ///< transposed; empty otherwise
  std::vector<int32_t> ranges;
  int64_t k_offset = 0;  ///< in elements, of k and v in q
  int64_t v_offset = 0;
  int64_t y_rows = 0;
  std::vector<int64_t> first_rows;  ///< of each sample, in y
};
AttentionData make_data(const AttentionCase& problem_case, const AttentionSamples& samples);

/// How an output compares with the result.
struct Comparison {
  double relative = 0;      ///< norm of the difference over the norm of the result
  double codes_unlike = 0;  ///< share of them; for f16, of values off by more than 1 in 256
  double codes_far = 0;     ///< share of those off by more than one code
  int64_t not_numbers = 0;
  int64_t trespasses = 0;  ///< bytes written outside the samples' rows
};

/// Runs `tactic` `runs` times into poisoned memory. Throws when a run differs from the first.
Comparison run_case(const Device& device, const AttentionCase& problem_case,
                    const AttentionSamples& samples, const AttentionData& data,
                    const AttentionTactic& tactic, int runs);

}  // namespace octet::cuda
