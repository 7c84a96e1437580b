#include "cuda/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "cuda/attention_sm90.h"

namespace octet::cuda {
namespace {

constexpr int kMaxRows = 1024;
constexpr int kMaxHeadDim = 128;

std::string type_name(DType dtype) {
  return dtype == DType::f8e4m3 ? "e4m3" : "f16";
}

bool is_supported(DType dtype) {
  return dtype == DType::f8e4m3 || dtype == DType::f16;
}

int64_t rounded_up(int64_t value, int64_t step) {
  return (value + step - 1) / step * step;
}

// attention_mma.cu

/// `Parameters` of the kernel.
struct MmaParameters {
  const void* q;
  const void* k;
  const void* v;
  const void* ranges;
  void* y;
  int rows;
  int blocks;
  float score_factor;
  float inverse_softmax_scale;
  float value_factor;
};

KernelSource mma_source(const AttentionProblem& problem, const AttentionTactic& tactic) {
  const auto flag = [](bool set) { return std::string(set ? "1" : "0"); };
  return {"attention_mma.cu",
          "attention_mma",
          {{"T", type_name(problem.dtype)},
           {"Y", type_name(problem.out_dtype)},
           {"HEADS", std::to_string(problem.heads)},
           {"HEAD_DIM", std::to_string(problem.head_dim)},
           {"Q_PITCH", std::to_string(problem.q_pitch)},
           {"K_PITCH", std::to_string(problem.k_pitch)},
           {"V_PITCH", std::to_string(problem.v_pitch)},
           {"MAX_KEYS", std::to_string(problem.max_rows)},
           {"WARPS", std::to_string(tactic.warps)},
           {"CAUSAL", flag(problem.causal)},
           {"RAGGED", flag(problem.ragged)},
           {"POOLED", flag(problem.pooled_query)},
           {"QUANTIZED", flag(problem.quantized)}},
          ""};
}

int query_rows(const AttentionProblem& problem) {
  return problem.pooled_query ? 1 : problem.max_rows;
}

AttentionTactic mma_tactic(int warps, int blocks) {
  AttentionTactic tactic;
  tactic.warps = warps;
  tactic.blocks = blocks;
  return tactic;
}

std::vector<AttentionTactic> mma_candidates(const AttentionProblem& problem) {
  const int all = (query_rows(problem) + 15) / 16;  // warps that take every row at once
  std::vector<AttentionTactic> tactics;
  if (problem.max_rows > 128) {
    for (const int warps : {std::min(4, all), std::min(8, all)}) {
      tactics.push_back(mma_tactic(warps, (all + warps - 1) / warps));
    }
    return tactics;
  }
  if (problem.ragged && all > 2) {
    for (const int warps : {2, 1}) tactics.push_back(mma_tactic(warps, 1));
  }
  tactics.push_back(mma_tactic(all, 1));
  if (all > 2) tactics.push_back(mma_tactic((all + 1) / 2, 2));
  return tactics;
}

/// Rows of keys in shared memory; kKeyTile in the kernel.
int key_tile(const AttentionProblem& problem, const AttentionTactic& tactic) {
  if (tactic.warps == 1) return 32;
  if (problem.max_rows <= 128) return static_cast<int>(rounded_up(problem.max_rows, 16));
  return problem.head_dim > 96 ? 32 : 64;
}

void launch_mma(CUstream stream, const Function& function, const AttentionProblem& problem,
                const AttentionTactic& tactic, const AttentionRun& run) {
  const auto& [operands, scales, batch] = run;
  const float softmax = problem.quantized ? scales.softmax : 1.0F;
  const float inverse_y = problem.out_dtype == DType::f8e4m3 ? 1 / scales.y : 1.0F;
  const MmaParameters values{operands.q,    operands.k,
                             operands.v,    operands.ranges,
                             operands.y,    problem.max_rows,
                             tactic.blocks, scales.scale * scales.q * scales.k,
                             1 / softmax,   softmax * scales.v * inverse_y};
  const int64_t pitch = rounded_up(problem.head_dim, 16) + 8;  // in shared memory
  const int64_t rows = 16 * tactic.warps + key_tile(problem, tactic);
  const LaunchShape shape{static_cast<unsigned>(batch * problem.heads * tactic.blocks),
                          static_cast<unsigned>(32 * tactic.warps),
                          static_cast<unsigned>(rows * pitch * 2)};
  auto arguments = parameters(values);
  function.launch(stream, shape, arguments);
}

std::string refusal_mma(const AttentionProblem& problem) {
  if (problem.layout != AttentionLayout::rows) return "q, k and v must be stored by rows";
  if (!is_supported(problem.dtype) || !is_supported(problem.out_dtype)) {
    return "operands must be f8e4m3 or f16";
  }
  if (problem.head_dim % 8 != 0 || problem.head_dim > kMaxHeadDim) {
    return fmt::format("a head of {} is not a multiple of 8 up to {}", problem.head_dim,
                       kMaxHeadDim);
  }
  if (problem.max_rows > kMaxRows) {
    return fmt::format("{} rows a sample are more than {}", problem.max_rows, kMaxRows);
  }
  for (const int64_t pitch : {problem.q_pitch, problem.k_pitch, problem.v_pitch}) {
    if (pitch % 8 != 0) return fmt::format("a row pitch of {} is not a multiple of 8", pitch);
  }
  return {};
}

constexpr std::array kKernelNames{std::pair{AttentionKernel::mma, "mma"},
                                  std::pair{AttentionKernel::sm90, "sm90"},
                                  std::pair{AttentionKernel::sm90_long, "sm90_long"}};

AttentionKernel kernel_named(const std::string& name, std::string_view where) {
  for (const auto& [kernel, kernel_name] : kKernelNames) {
    if (name == kernel_name) return kernel;
  }
  fail_json_member("kernel", where, "names no attention kernel");
}

}  // namespace

std::vector<int64_t> value_row_order(int heads, int head_dim) {
  std::vector<int64_t> order;
  for (int64_t row = 0; row < int64_t{heads} * head_dim; ++row) {
    const int64_t in_head = row % head_dim;
    order.push_back(row - in_head + head_dim / 4 * (in_head / 2 % 4) + in_head / 8 * 2 +
                    in_head % 2);
  }
  return order;
}

std::string refusal(const AttentionProblem& problem, const DeviceProperties& device) {
  if (problem.layout == AttentionLayout::rows) return refusal_mma(problem);
  return refusal_sm90(problem, device);
}

Json AttentionTactic::to_json() const {
  return {{"kernel", kKernelNames.at(static_cast<size_t>(kernel)).second},
          {"warps", warps},
          {"stages", stages},
          {"blocks", blocks}};
}

AttentionTactic AttentionTactic::from_json(const Json& json, std::string_view where) {
  return {kernel_named(json_at<std::string>(json, "kernel", where), where),
          json_at<int>(json, "warps", where), json_at<int>(json, "stages", where),
          json_at<int>(json, "blocks", where)};
}

std::vector<AttentionTactic> candidates(const AttentionProblem& problem,
                                        const DeviceProperties& device) {
  const std::string reason = refusal(problem, device);
  check(reason.empty(), "attention: {}", reason);
  std::vector<AttentionTactic> tactics;
  if (refusal_sm90(problem, device).empty()) tactics = candidates_sm90(problem, device);
  if (refusal_mma(problem).empty())
    std::ranges::copy(mma_candidates(problem), std::back_inserter(tactics));
  return tactics;
}

KernelSource source(const AttentionProblem& problem, const AttentionTactic& tactic) {
  switch (tactic.kernel) {
    case AttentionKernel::mma:
      return mma_source(problem, tactic);
    case AttentionKernel::sm90:
      return source_sm90(problem, tactic);
    case AttentionKernel::sm90_long:
      return source_sm90_long(problem, tactic);
  }
  return {};
}

void launch(CUstream stream, const Function& function, const AttentionProblem& problem,
            const AttentionTactic& tactic, const AttentionRun& run) {
  const auto issue = tactic.kernel == AttentionKernel::mma    ? launch_mma
                     : tactic.kernel == AttentionKernel::sm90 ? launch_sm90
                                                              : launch_sm90_long;
  issue(stream, function, problem, tactic, run);
}

}  // namespace octet::cuda
