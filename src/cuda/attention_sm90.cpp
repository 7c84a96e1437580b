#include "cuda/attention_sm90.h"

#include <algorithm>

#include "base/error.h"
#include "cuda/attention_maps.h"
#include "cuda/attention_sm90_parts.h"
#include "cuda/wgmma.h"

namespace octet::cuda {
namespace {

constexpr int kMaxScoreColumns = 272;  // what registers hold
constexpr int kMaxRestRows = 8;        // wgmma's least number of columns
constexpr int kThreads = 384;
constexpr int kMostStages = 4;

/// How a stage of shared memory holds the Q, K and V of one sample and head. V comes first.
struct Sm90Layout {
  int row_bytes = 0;  ///< of Q and K
  int q_loads = 0;    ///< boxes of
  int q_box_rows = 0;
  int key_box_rows = 0;   ///< of the boxes of K and V; f16 only
  int key_rows = 0;       ///< of K: slots of keys, a multiple of 16
  int score_columns = 0;  ///< of these, the ones that can hold a key
  int mix_keys = 0;       ///< of V, a multiple of what a step of the second product takes
  int v_chunks = 0;       ///< of 128 keys; e4m3 only
  int v_rest = 0;         ///< keys behind them: 0, 32 or 64
  int q_offset = 0;
  int k_offset = 0;
  int stage_bytes = 0;

  explicit Sm90Layout(const AttentionProblem& problem) {
    const int rows = problem.max_rows;
    row_bytes = head_row_bytes(problem);
    q_loads = (rounded_up(rows, 8) + 255) / 256;
    q_box_rows = rounded_up((rows + q_loads - 1) / q_loads, 8);
    const int v_bytes = is_e4m3(problem) ? lay_out_codes(problem) : lay_out_halves(rows);
    q_offset = rounded_up(v_bytes, 1024);
    k_offset = q_offset + rounded_up(row_bytes * q_loads * q_box_rows, 1024);
    stage_bytes = k_offset + rounded_up(row_bytes * key_rows, 1024);
  }

  /// Both set what concerns keys and return the bytes of V.
  int lay_out_codes(const AttentionProblem& problem) {
    // Copies start at multiples of 16 keys: the window may begin up to 15 keys early.
    const int window = problem.max_rows + (problem.max_rows % 16 != 0 ? 15 : 0);
    key_rows = rounded_up(window, 16);
    // The last two slots of 16 stand in the first 8 columns of their 16.
    score_columns = key_rows - (window % 16 == 1 || window % 16 == 2 ? 8 : 0);
    mix_keys = rounded_up(window, 32);
    v_chunks = mix_keys / 128 + (mix_keys % 128 > 64 ? 1 : 0);
    v_rest = std::max(0, mix_keys - 128 * v_chunks);
    return problem.head_dim * (128 * v_chunks + v_rest);
  }
  int lay_out_halves(int rows) {
    const int loads = (rows + 255) / 256;
    key_box_rows = rounded_up((rounded_up(rows, 16) + loads - 1) / loads, 8);
    key_rows = loads * key_box_rows;
    score_columns = rounded_up(rows, 8);
    mix_keys = rounded_up(rows, 16);
    return row_bytes * key_rows;
  }

  /// Behind the stages: codes and scores of the rest rows, two barriers a stage, a word.
  [[nodiscard]] int shared_bytes(const AttentionProblem& problem, int stages) const {
    const int code_bytes = mix_keys * (is_e4m3(problem) ? 1 : 2);
    return stages * stage_bytes + rounded_up(code_bytes, 128) * 8 +
           problem.max_rows % 64 * mix_keys * 4 + 16 * stages + 16;
  }
};

struct alignas(64) Maps {
  CUtensorMap q;
  CUtensorMap k;
  CUtensorMap v;
  CUtensorMap v_rest;
};

/// `Parameters` of the kernel.
struct Parameters {
  Sm90Parameters both;
  uint32_t zero;
};

Maps make_maps(const AttentionProblem& problem, const AttentionOperands& operands, int64_t batch) {
  const Sm90Layout layout(problem);
  const int64_t tokens = batch * problem.max_rows;
  Maps maps{};
  maps.q = head_map(problem, operands.q, problem.q_pitch, layout.q_box_rows, tokens);
  if (is_e4m3(problem)) {
    maps.k = ordered_key_map(problem, operands.k, layout.key_rows, tokens);
    maps.v = transposed_value_map(problem, operands.v, 128, tokens);
    if (layout.v_rest > 0) {
      maps.v_rest = transposed_value_map(problem, operands.v, layout.v_rest, tokens);
    }
  } else {
    maps.k = head_map(problem, operands.k, problem.k_pitch, layout.key_box_rows, tokens);
    maps.v = head_map(problem, operands.v, problem.v_pitch, layout.key_box_rows, tokens);
  }
  return maps;
}

/// The forms of wgmma that the kernel uses.
std::string instructions(const AttentionProblem& problem) {
  const int columns = Sm90Layout(problem).score_columns;
  const auto operand = is_e4m3(problem) ? WgmmaOperand::e4m3 : WgmmaOperand::f16;
  std::string text = wgmma_text({.n = std::min(columns, 256), .operand = operand});
  if (columns > 256) text += wgmma_text({.n = columns - 256, .operand = operand});
  if (columns - 256 != 8) text += wgmma_text({.n = 8, .operand = operand});
  if (!is_e4m3(problem)) text += wgmma_text({.n = 8, .operand = operand, .a_transposed = true});
  return text + wgmma_text({.n = problem.head_dim,
                            .operand = operand,
                            .a_in_registers = true,
                            .b_transposed = !is_e4m3(problem)});
}

bool fits_one_pass(const AttentionProblem& problem) {
  return problem.max_rows >= 128 && problem.max_rows % 64 <= kMaxRestRows &&
         Sm90Layout(problem).score_columns <= kMaxScoreColumns;
}

std::string refusal_of_codes(const AttentionProblem& problem) {
  if (problem.layout != AttentionLayout::values_transposed) return "V must be transposed";
  if (!problem.quantized) return "f8e4m3 needs quantized probabilities";
  if (problem.head_dim != 64 && problem.head_dim != 80) return "heads must be of 64 or 80";
  return {};
}

std::string refusal_of_halves(const AttentionProblem& problem) {
  if (problem.layout != AttentionLayout::rows) return "V must be stored by rows";
  if (problem.head_dim != 64) return "heads must be of 64";
  return {};
}

}  // namespace

std::string refusal_sm90(const AttentionProblem& problem, const DeviceProperties& device) {
  if (device.major != 9) return "the device is no Hopper GPU";
  if (problem.causal || problem.ragged || problem.pooled_query) {
    return "samples must be whole and see all their rows";
  }
  std::string reason = is_e4m3(problem) ? refusal_of_codes(problem) : refusal_of_halves(problem);
  if (!reason.empty() || fits_one_pass(problem)) return reason;
  return candidates_sm90_long(problem, device).empty() ? "too many rows for shared memory" : "";
}

std::vector<AttentionTactic> candidates_sm90(const AttentionProblem& problem,
                                             const DeviceProperties& device) {
  if (!fits_one_pass(problem)) return candidates_sm90_long(problem, device);
  const Sm90Layout layout(problem);
  int stages = kMostStages;
  while (layout.shared_bytes(problem, stages) > device.shared_bytes) --stages;
  AttentionTactic tactic;
  tactic.kernel = AttentionKernel::sm90;
  tactic.stages = stages;
  tactic.blocks = device.multiprocessors;
  return {tactic};
}

KernelSource source_sm90(const AttentionProblem& problem, const AttentionTactic& tactic) {
  const Sm90Layout layout(problem);
  return sm90_source("attention_sm90", problem, tactic, instructions(problem),
                     {{"Q_LOADS", layout.q_loads},
                      {"Q_BOX_ROWS", layout.q_box_rows},
                      {"KEY_BOX_ROWS", layout.key_box_rows},
                      {"KEY_ROWS", layout.key_rows},
                      {"SCORE_COLUMNS", layout.score_columns},
                      {"MIX_KEYS", layout.mix_keys},
                      {"V_CHUNKS", layout.v_chunks},
                      {"V_REST", layout.v_rest},
                      {"Q_OFFSET", layout.q_offset},
                      {"K_OFFSET", layout.k_offset},
                      {"STAGE_BYTES", layout.stage_bytes}});
}

void launch_sm90(CUstream stream, const Function& function, const AttentionProblem& problem,
                 const AttentionTactic& tactic, const AttentionRun& run) {
  const Maps maps = make_maps(problem, run.operands, run.batch);
  const Parameters values{{problem, run}, 0};
  const LaunchShape shape{.grid = static_cast<unsigned>(std::min(tactic.blocks, values.both.items)),
                          .block = kThreads,
                          .shared_bytes = static_cast<unsigned>(
                              Sm90Layout(problem).shared_bytes(problem, tactic.stages)),
                          .programmatic = true};
  auto arguments = parameters(maps, values);
  function.launch(stream, shape, arguments);
}

}  // namespace octet::cuda
