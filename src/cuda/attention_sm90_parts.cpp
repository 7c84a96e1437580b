#include "cuda/attention_sm90_parts.h"

#include <numbers>

#include "cuda/attention_maps.h"

namespace octet::cuda {

KernelSource sm90_source(const std::string& name, const AttentionProblem& problem,
                         const AttentionTactic& tactic, std::string instructions,
                         std::initializer_list<std::pair<const char*, int>> layout) {
  KernelSource source{name + ".cu",
                      name,
                      {{"E4M3", is_e4m3(problem) ? "1" : "0"},
                       {"QUANTIZED", problem.quantized ? "1" : "0"},
                       {"Y", problem.out_dtype == DType::f8e4m3 ? "e4m3" : "f16"},
                       {"HEADS", std::to_string(problem.heads)},
                       {"HEAD_DIM", std::to_string(problem.head_dim)},
                       {"ROWS", std::to_string(problem.max_rows)},
                       {"STAGES", std::to_string(tactic.stages)},
                       {"ROW_BYTES", std::to_string(head_row_bytes(problem))}},
                      std::move(instructions)};
  for (const auto& [define, value] : layout) {
    source.defines.emplace_back(define, std::to_string(value));
  }
  return source;
}

Sm90Parameters::Sm90Parameters(const AttentionProblem& problem, const AttentionRun& run)
    : y(run.operands.y), items(static_cast<int>(run.batch * problem.heads)) {
  const AttentionScales& scales = run.scales;
  const float softmax = problem.quantized ? scales.softmax : 1.0F;
  score_factor = scales.scale * scales.q * scales.k * std::numbers::log2e_v<float>;
  inverse_softmax_scale = 1 / softmax;
  y_factor = softmax * scales.v / (problem.out_dtype == DType::f8e4m3 ? scales.y : 1.0F);
}

}  // namespace octet::cuda
