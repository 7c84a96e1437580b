#pragma once

#include <cstddef>
#include <vector>

#include "cuda/gemm.h"

namespace octet::cuda {

/// What the rows of A look like: standard normal codes; or some of them scaled up until codes
/// saturate, some down into the subnormal range, some zero.
enum class GemmData { normal, adversarial };

/// One product to compute.
struct GemmCase {
  GemmProblem problem;
  int64_t rows = 1;
  GemmData data = GemmData::normal;
  bool in_place = false;  ///< the residual lies where the result goes
};

/// Operands in host memory, packed, and the result in float64 of some rows.
struct GemmInputs {
  std::vector<std::byte> a;  ///< [rows up to a multiple of 16, a_pitch]; poison behind the rows
  int64_t a_pitch = 0;
  Tensor weight;
  Tensor epilogue;
  std::vector<uint16_t> residual;
  std::vector<int64_t> checked;  ///< rows
  std::vector<double> y;         ///< [checked, n], in units of the out scale
  /// What rounding may add up to, in the same units: half a unit of the output is on top.
  std::vector<double> slack;
};
GemmInputs make_inputs(const GemmCase& problem_case);

/// What memory holds that a kernel must not read or must have written: a NaN in every format.
inline constexpr std::byte kGemmPoison{0xFF};

double load_element(DType dtype, const std::byte* from);

/// How an output compares.
struct GemmComparison {
  double relative = 0;     ///< norm of the difference over the norm of the rounded result
  double unlike = 0;       ///< share of the checked values that are rounded otherwise
  double worst = 0;        ///< largest difference over what rounding allows
  int64_t poison = 0;      ///< elements that were not written, or are no numbers
  int64_t trespasses = 0;  ///< bytes written outside the result
};

/// Runs a compiled tactic `runs` times into poisoned memory. Throws when a run differs.
GemmComparison run_case(const Device& device, const GemmCase& problem_case,
                        const GemmInputs& inputs, const GemmTactic& tactic, int runs);

}  // namespace octet::cuda
