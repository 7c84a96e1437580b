#include <algorithm>

#include "cuda/attention_maps.h"
#include "cuda/attention_sm90.h"
#include "cuda/attention_sm90_parts.h"
#include "cuda/wgmma.h"

namespace octet::cuda {
namespace {

constexpr int kChunkKeys = 128;  // of the transposed V
constexpr int kMostStages = 8;
constexpr int kQueryRows = 64;
constexpr int kQuerySlots = 6;  // tiles of queries in shared memory, two for each warpgroup

/// What registers allow: warpgroups that multiply, keys at a time.
bool is_light(const AttentionProblem& problem) {
  return is_e4m3(problem) && problem.head_dim <= 64;
}
int consumers(const AttentionProblem& problem) {
  return is_light(problem) ? 3 : 2;
}
int block_keys(const AttentionProblem& problem) {
  return is_light(problem) ? 96 : 128;
}

/// How shared memory holds K and V of one sample and head, a stage; V comes first.
struct LongLayout {
  int row_bytes = 0;     ///< of Q and K
  int key_rows = 0;      ///< slots of keys
  int full_blocks = 0;   ///< of block_keys slots
  int rest_columns = 0;  ///< slots behind them
  int v_chunks = 0;      ///< of kChunkKeys; e4m3 only
  int k_offset = 0;
  int stage_bytes = 0;
  int loaded_bytes = 0;

  explicit LongLayout(const AttentionProblem& problem) {
    const int rows = problem.max_rows;
    row_bytes = head_row_bytes(problem);
    // Copies of the transposed V start at multiples of 16 keys.
    const int window = rows + (is_e4m3(problem) && rows % 16 != 0 ? 15 : 0);
    key_rows = rounded_up(window, 16);
    full_blocks = key_rows / block_keys(problem);
    rest_columns = key_rows % block_keys(problem);
    v_chunks = rounded_up(key_rows, kChunkKeys) / kChunkKeys;
    const int v_bytes =
        is_e4m3(problem) ? problem.head_dim * kChunkKeys * v_chunks : row_bytes * key_rows;
    loaded_bytes = v_bytes + row_bytes * key_rows;
    k_offset = rounded_up(v_bytes, 1024);
    stage_bytes = k_offset + rounded_up(row_bytes * key_rows, 1024);
  }

  [[nodiscard]] int shared_bytes(int stages) const {
    return stages * stage_bytes + kQuerySlots * kQueryRows * row_bytes +
           16 * (stages + kQuerySlots);
  }
  /// That fit into `shared` bytes; 0 when none does.
  [[nodiscard]] int stages(int shared) const {
    int count = kMostStages;
    while (count > 0 && shared_bytes(count) > shared) --count;
    return count;
  }
};

struct alignas(64) Maps {
  CUtensorMap q;
  CUtensorMap k;
  CUtensorMap k_rest;
  CUtensorMap v;
  CUtensorMap v_rest;  ///< rests: f16 only
};

Maps make_maps(const AttentionProblem& problem, const AttentionOperands& operands, int64_t batch) {
  const LongLayout layout(problem);
  const int64_t tokens = batch * problem.max_rows;
  const int block = block_keys(problem);
  const int rest = layout.rest_columns > 0 ? layout.rest_columns : block;
  Maps maps{};
  maps.q = head_map(problem, operands.q, problem.q_pitch, kQueryRows, tokens);
  if (is_e4m3(problem)) {
    maps.k = ordered_key_map(problem, operands.k, layout.key_rows, tokens);
    maps.v = transposed_value_map(problem, operands.v, kChunkKeys, tokens);
  } else {
    maps.k = head_map(problem, operands.k, problem.k_pitch, block, tokens);
    maps.k_rest = head_map(problem, operands.k, problem.k_pitch, rest, tokens);
    maps.v = head_map(problem, operands.v, problem.v_pitch, block, tokens);
    maps.v_rest = head_map(problem, operands.v, problem.v_pitch, rest, tokens);
  }
  return maps;
}

/// The forms of wgmma that the kernel uses.
std::string instructions(const AttentionProblem& problem) {
  const int rest = LongLayout(problem).rest_columns;
  const auto operand = is_e4m3(problem) ? WgmmaOperand::e4m3 : WgmmaOperand::f16;
  std::string text = wgmma_text({.n = block_keys(problem), .operand = operand});
  if (rest > 0) text += wgmma_text({.n = rest, .operand = operand});
  return text + wgmma_text({.n = problem.head_dim,
                            .operand = operand,
                            .a_in_registers = true,
                            .b_transposed = !is_e4m3(problem)});
}

}  // namespace

std::vector<AttentionTactic> candidates_sm90_long(const AttentionProblem& problem,
                                                  const DeviceProperties& device) {
  AttentionTactic tactic;
  tactic.kernel = AttentionKernel::sm90_long;
  tactic.stages = LongLayout(problem).stages(device.shared_bytes);
  tactic.blocks = device.multiprocessors;
  return tactic.stages > 0 ? std::vector{tactic} : std::vector<AttentionTactic>{};
}

KernelSource source_sm90_long(const AttentionProblem& problem, const AttentionTactic& tactic) {
  const LongLayout layout(problem);
  return sm90_source("attention_sm90_long", problem, tactic, instructions(problem),
                     {{"CONSUMERS", consumers(problem)},
                      {"QUERY_SLOTS", kQuerySlots},
                      {"BLOCK_KEYS", block_keys(problem)},
                      {"FULL_BLOCKS", layout.full_blocks},
                      {"REST_COLUMNS", layout.rest_columns},
                      {"V_CHUNKS", layout.v_chunks},
                      {"K_OFFSET", layout.k_offset},
                      {"STAGE_BYTES", layout.stage_bytes},
                      {"LOADED_BYTES", layout.loaded_bytes}});
}

void launch_sm90_long(CUstream stream, const Function& function, const AttentionProblem& problem,
                      const AttentionTactic& tactic, const AttentionRun& run) {
  const Maps maps = make_maps(problem, run.operands, run.batch);
  const Sm90Parameters values(problem, run);
  const LaunchShape shape{
      .grid = static_cast<unsigned>(std::min(tactic.blocks, values.items)),
      .block = static_cast<unsigned>(128 * consumers(problem) + 128),
      .shared_bytes = static_cast<unsigned>(LongLayout(problem).shared_bytes(tactic.stages)),
      .programmatic = true};
  auto arguments = parameters(maps, values);
  function.launch(stream, shape, arguments);
}

}  // namespace octet::cuda
