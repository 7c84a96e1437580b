#pragma once

#include "tests/cuda/attention_case.h"

// How far Hopper's FP8 attention may be from float64: its matrix unit cuts each of 32 products and
// the sum so far to 13 bits behind the largest exponent among them, and then their sum. Scores
// move, most where they are large and alike, and with them codes of probabilities.
namespace octet::cuda {

/// Share of the output's codes that change in a simulation of the unit, of all samples of a case
/// without a causal mask, not ragged.
double simulate_share(const AttentionCase& problem_case);

/// The same by a table, for samples of at most so many rows and a kind of scores.
double tabled_share(const AttentionCase& problem_case);

}  // namespace octet::cuda
