#include <algorithm>
#include <numbers>

#include "cuda/attention_maps.h"
#include "cuda/attention_sm90.h"
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

/// `Parameters` of the kernel.
struct Parameters {
  void* y;
  int items;
  float score_factor;
  float inverse_softmax_scale;
  float y_factor;
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
  KernelSource source{"attention_sm90_long.cu",
                      "attention_sm90_long",
                      {{"E4M3", is_e4m3(problem) ? "1" : "0"},
                       {"QUANTIZED", problem.quantized ? "1" : "0"},
                       {"Y", problem.out_dtype == DType::f8e4m3 ? "e4m3" : "f16"}},
                      instructions(problem)};
  const auto define = [&](const char* name, int value) {
    source.defines.emplace_back(name, std::to_string(value));
  };
  define("HEADS", problem.heads);
  define("HEAD_DIM", problem.head_dim);
  define("ROWS", problem.max_rows);
  define("STAGES", tactic.stages);
  define("CONSUMERS", consumers(problem));
  define("QUERY_SLOTS", kQuerySlots);
  define("ROW_BYTES", layout.row_bytes);
  define("BLOCK_KEYS", block_keys(problem));
  define("FULL_BLOCKS", layout.full_blocks);
  define("REST_COLUMNS", layout.rest_columns);
  define("V_CHUNKS", layout.v_chunks);
  define("K_OFFSET", layout.k_offset);
  define("STAGE_BYTES", layout.stage_bytes);
  define("LOADED_BYTES", layout.loaded_bytes);
  return source;
}

void launch_sm90_long(CUstream stream, const Function& function, const AttentionProblem& problem,
                      const AttentionTactic& tactic, const AttentionRun& run) {
  const auto& [operands, scales, batch] = run;
  const Maps maps = make_maps(problem, operands, batch);
  const float y = problem.out_dtype == DType::f8e4m3 ? scales.y : 1.0F;
  const float softmax = problem.quantized ? scales.softmax : 1.0F;
  const Parameters values{operands.y, static_cast<int>(batch * problem.heads),
                          scales.scale * scales.q * scales.k * std::numbers::log2e_v<float>,
                          1 / softmax, softmax * scales.v / y};
  const LaunchShape shape{static_cast<unsigned>(std::min(tactic.blocks, values.items)),
                          static_cast<unsigned>(128 * consumers(problem) + 128),
                          static_cast<unsigned>(LongLayout(problem).shared_bytes(tactic.stages))};
  auto arguments = parameters(maps, values);
  function.launch(stream, shape, arguments);
}

}  // namespace octet::cuda
