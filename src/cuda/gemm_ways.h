#pragma once

#include <string>
#include <vector>

#include "cuda/gemm.h"
#include "cuda/row_tactics.h"

namespace octet::cuda {

/// The products of a choice, loaded on the device.
std::vector<ForRows<Gemm>> load_gemms(const Device& device, const GemmProblem& problem,
                                      const runtime::KernelChoice& choice, const std::string& node);

}  // namespace octet::cuda
