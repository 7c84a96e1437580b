#include "cuda/attention_sm90.h"

#include <algorithm>
#include <array>
#include <numbers>

#include "base/error.h"
#include "cuda/wgmma.h"

namespace octet::cuda {
namespace {

constexpr int kMaxScoreColumns = 272;  // what registers hold
constexpr int kMaxRestRows = 8;        // wgmma's least number of columns
constexpr int kThreads = 384;

int rounded_up(int value, int step) {
  return (value + step - 1) / step * step;
}

/// How a stage of shared memory holds the Q, K and V^T of one sample and head. V^T comes first.
struct Sm90Layout {
  int row_bytes;  ///< of Q and K
  int q_loads;    ///< boxes of
  int q_box_rows;
  int key_rows;       ///< of K: slots of keys, a multiple of 16
  int score_columns;  ///< of these, the ones that can hold a key
  int mix_keys;       ///< of V^T, a multiple of 32
  int v_chunks;       ///< of 128 keys
  int v_rest;         ///< keys behind them: 0, 32 or 64
  int q_offset;
  int k_offset;
  int stage_bytes;

  explicit Sm90Layout(const AttentionProblem& problem) {
    const int rows = problem.max_rows;
    // Copies start at multiples of 16 keys: the window may begin up to 15 keys early.
    const int window = rows + (rows % 16 != 0 ? 15 : 0);
    row_bytes = problem.head_dim <= 64 ? 64 : 128;
    q_loads = (rounded_up(rows, 8) + 255) / 256;
    q_box_rows = rounded_up((rows + q_loads - 1) / q_loads, 8);
    key_rows = rounded_up(window, 16);
    // The last two slots of 16 stand in the first 8 columns of their 16.
    score_columns = key_rows - (window % 16 == 1 || window % 16 == 2 ? 8 : 0);
    mix_keys = rounded_up(window, 32);
    v_chunks = mix_keys / 128 + (mix_keys % 128 > 64 ? 1 : 0);
    v_rest = std::max(0, mix_keys - 128 * v_chunks);
    q_offset = rounded_up(problem.head_dim * (128 * v_chunks + v_rest), 1024);
    k_offset = q_offset + rounded_up(row_bytes * q_loads * q_box_rows, 1024);
    stage_bytes = k_offset + rounded_up(row_bytes * key_rows, 1024);
  }

  /// Behind the stages: codes and scores of the rest rows, two barriers a stage, a word.
  [[nodiscard]] int shared_bytes(const AttentionProblem& problem, int stages) const {
    return stages * stage_bytes + rounded_up(mix_keys, 128) * 8 +
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
  void* y;
  int items;
  float score_factor;
  float inverse_softmax_scale;
  float y_factor;
  uint32_t zero;
};

Maps make_maps(const AttentionProblem& problem, const AttentionOperands& operands, int64_t batch) {
  const Sm90Layout layout(problem);
  const auto u64 = [](int64_t value) { return static_cast<uint64_t>(value); };
  const auto u32 = [](int value) { return static_cast<uint32_t>(value); };
  const uint64_t tokens = u64(batch * problem.max_rows);
  const uint64_t head_dim = u64(problem.head_dim);
  const uint64_t heads = u64(problem.heads);
  const uint64_t k_pitch = u64(problem.k_pitch);
  const auto swizzle = [](int bytes) {
    return bytes == 128  ? TensorMapSwizzle::b128
           : bytes == 64 ? TensorMapSwizzle::b64
                         : TensorMapSwizzle::b32;
  };
  const auto values = [&](int keys) {
    return make_tensor_map(operands.v, {TensorMapType::u8,
                                        {tokens, heads * head_dim},
                                        {u64(problem.v_pitch)},
                                        {u32(keys), u32(problem.head_dim)},
                                        swizzle(keys),
                                        TensorMapPromotion::b128});
  };
  const TensorMapSwizzle rows = swizzle(layout.row_bytes);
  Maps maps{};
  // A head is an extent of its own: columns behind it read as zeros, whatever K has there.
  maps.q = make_tensor_map(operands.q, {TensorMapType::u8,
                                        {head_dim, heads, tokens},
                                        {head_dim, u64(problem.q_pitch)},
                                        {u32(layout.row_bytes), 1, u32(layout.q_box_rows)},
                                        rows,
                                        TensorMapPromotion::b128});
  maps.k = make_tensor_map(operands.k, {TensorMapType::u8,
                                        {heads * head_dim, 2, 4, 2, (tokens + 15) / 16},
                                        {k_pitch, 4 * k_pitch, 2 * k_pitch, 16 * k_pitch},
                                        {u32(layout.row_bytes), 2, 4, 2, u32(layout.key_rows / 16)},
                                        rows,
                                        TensorMapPromotion::b128});
  maps.v = values(128);
  maps.v_rest = layout.v_rest > 0 ? values(layout.v_rest) : maps.v;
  return maps;
}

/// The forms of wgmma that the kernel uses.
std::string instructions(const AttentionProblem& problem) {
  const int columns = Sm90Layout(problem).score_columns;
  std::string text = wgmma_text({.n = std::min(columns, 256)});
  if (columns > 256) text += wgmma_text({.n = columns - 256});
  if (columns - 256 != 8 && columns != 8) text += wgmma_text({.n = 8});
  return text + wgmma_text({.n = problem.head_dim, .a_in_registers = true});
}

}  // namespace

std::string refusal_sm90(const AttentionProblem& problem) {
  const int rest = problem.max_rows % 64;
  if (problem.layout != AttentionLayout::values_transposed) return "V must be transposed";
  if (problem.dtype != DType::f8e4m3 || !problem.quantized) return "everything must be f8e4m3";
  if (problem.causal || problem.ragged || problem.pooled_query) {
    return "samples must be whole and see all their rows";
  }
  if (problem.head_dim != 64 && problem.head_dim != 80) return "heads must be of 64 or 80";
  if (problem.max_rows < 128 || rest > kMaxRestRows) {
    return "rows must be at least 128 and at most 8 more than a multiple of 64";
  }
  if (Sm90Layout(problem).score_columns > kMaxScoreColumns) return "too many rows for registers";
  return {};
}

std::vector<AttentionTactic> candidates_sm90(const AttentionProblem& problem,
                                             const DeviceProperties& device) {
  const Sm90Layout layout(problem);
  int stages = 4;
  while (layout.shared_bytes(problem, stages) > device.shared_bytes) --stages;
  AttentionTactic tactic;
  tactic.kernel = AttentionKernel::sm90;
  tactic.stages = stages;
  tactic.blocks = device.multiprocessors;
  return {tactic};
}

KernelSource source_sm90(const AttentionProblem& problem, const AttentionTactic& tactic) {
  const Sm90Layout layout(problem);
  KernelSource source{"attention_sm90.cu",
                      "attention_sm90",
                      {{"Y", problem.out_dtype == DType::f8e4m3 ? "e4m3" : "f16"}},
                      instructions(problem)};
  const auto define = [&](const char* name, int value) {
    source.defines.emplace_back(name, std::to_string(value));
  };
  define("HEADS", problem.heads);
  define("HEAD_DIM", problem.head_dim);
  define("ROWS", problem.max_rows);
  define("STAGES", tactic.stages);
  define("ROW_BYTES", layout.row_bytes);
  define("Q_LOADS", layout.q_loads);
  define("Q_BOX_ROWS", layout.q_box_rows);
  define("KEY_ROWS", layout.key_rows);
  define("SCORE_COLUMNS", layout.score_columns);
  define("MIX_KEYS", layout.mix_keys);
  define("V_CHUNKS", layout.v_chunks);
  define("V_REST", layout.v_rest);
  define("Q_OFFSET", layout.q_offset);
  define("K_OFFSET", layout.k_offset);
  define("STAGE_BYTES", layout.stage_bytes);
  return source;
}

void launch_sm90(CUstream stream, const Function& function, const AttentionProblem& problem,
                 const AttentionTactic& tactic, const AttentionOperands& operands,
                 const AttentionScales& scales, int64_t batch) {
  const Maps maps = make_maps(problem, operands, batch);
  const float y = problem.out_dtype == DType::f8e4m3 ? scales.y : 1.0F;
  const Parameters values{operands.y,
                          static_cast<int>(batch * problem.heads),
                          scales.scale * scales.q * scales.k * std::numbers::log2e_v<float>,
                          1 / scales.softmax,
                          scales.softmax * scales.v / y,
                          0};
  const LaunchShape shape{
      static_cast<unsigned>(std::min(tactic.blocks, values.items)), kThreads,
      static_cast<unsigned>(Sm90Layout(problem).shared_bytes(problem, tactic.stages))};
  auto arguments = parameters(maps, values);
  function.launch(stream, shape, arguments);
}

}  // namespace octet::cuda
