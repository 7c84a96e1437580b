#include "cuda/gemm_ways.h"

namespace octet::cuda {

std::vector<ForRows<Gemm>> load_gemms(const Device& device, const GemmProblem& problem,
                                      const runtime::KernelChoice& choice,
                                      const std::string& node) {
  std::vector<ForRows<Gemm>> gemms;
  for (const Way& way : ways_of(choice, node)) {
    const GemmTactic tactic = GemmTactic::from_json(way.tactic, node);
    Function function(device, way.cubin, source(problem, tactic).entry);
    gemms.push_back(
        {way.max_rows, Gemm(problem, tactic, std::move(function), device.properties())});
  }
  return gemms;
}

}  // namespace octet::cuda
