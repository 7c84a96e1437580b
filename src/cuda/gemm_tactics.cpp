#include <algorithm>
#include <array>

#include "cuda/gemm_layout.h"
#include "cuda/wgmma.h"

// Which kernel computes a product how: the tactics, what they need, and which are worth timing.
namespace octet::cuda {
namespace {

constexpr std::array kKernelNames{
    std::pair{GemmKernel::resident, "resident"}, std::pair{GemmKernel::streamed, "streamed"},
    std::pair{GemmKernel::deferred, "deferred"}, std::pair{GemmKernel::split, "split"},
    std::pair{GemmKernel::mma, "mma"}};

std::string name_of(GemmKernel kernel) {
  return std::ranges::find(kKernelNames, kernel, [](const auto& row) { return row.first; })->second;
}

GemmKernel kernel_named(const std::string& name, std::string_view where) {
  const auto* row =
      std::ranges::find(kKernelNames, name, [](const auto& entry) { return entry.second; });
  if (row == kKernelNames.end()) fail_input("{}: there is no matrix kernel '{}'", where, name);
  return row->first;
}

/// Registers of a lane after setmaxnreg; the sum over all warpgroups is what the launch gives.
struct RegisterShares {
  int consumer;
  int producer;
};
RegisterShares register_shares(int consumers) {
  return consumers == 2 ? RegisterShares{232, 40} : RegisterShares{152, 40};
}

int panel_count(const GemmProblem& problem, const GemmTactic& tactic) {
  return static_cast<int>((problem.n + tactic.columns - 1) / tactic.columns);
}

/// Slabs of a tile during which the tile before it is stored (and the residual loaded): as many as
/// divide its strips and leave K room; 0 when K is too small.
int deferred_slabs(const GemmProblem& problem, const GemmTactic& tactic) {
  const int strips = 2 * tactic.columns / group_columns(problem);
  const int room = slab_count(problem, tactic) / (problem.residual ? 2 : 1);
  for (int count = std::min(8, room); count > 0; --count) {
    if (strips % count == 0) return count;
  }
  return 0;
}

/// Do the epilogue's numbers of a whole panel fit into registers beside sums and residual?
bool keeps_numbers(const GemmProblem& problem, const GemmTactic& tactic) {
  if (tactic.kernel != GemmKernel::resident) return false;
  const int numbers = tactic.columns / 4 * (problem.column_scales ? 2 : 1);
  const int residual = problem.residual ? tactic.columns / 4 : 0;
  constexpr int kOthers = 48;
  return tactic.columns / 2 + numbers + residual + kOthers <=
         register_shares(tactic.consumers).consumer;
}

/// Do sums and residual of a tile, with what it takes to finish them?
bool fits_registers(const GemmProblem& problem, const GemmTactic& tactic) {
  const int residual = problem.residual ? tactic.columns / 4 : 0;
  const int others = problem.column_scales ? 56 : tactic.kernel == GemmKernel::split ? 48 : 40;
  const int registers = tactic.consumers == 1 ? 240 : register_shares(tactic.consumers).consumer;
  return tactic.columns / 2 + residual + others <= registers;
}

/// Its loop over K is unrolled; panels of more slabs leave little room for A anyway.
constexpr int kMostResidentSlabs = 13;

/// Are they copied to shared memory? There the compiler does not load all of them at once, for
/// which it has no registers.
bool shares_numbers(const GemmTactic& tactic) {
  return tactic.kernel == GemmKernel::deferred;
}

int64_t shared_number_bytes(const GemmProblem& problem, const GemmTactic& tactic) {
  if (!shares_numbers(tactic)) return 0;
  return padded_columns(problem.n) * (problem.column_scales ? 8 : 4);
}

std::string activation(const GemmProblem& problem) {
  switch (problem.activation) {
    case GemmActivation::none:
      return "identity";
    case GemmActivation::quick_gelu:
      return folds_quick_gelu(problem) ? "quick_gelu_folded" : "quick_gelu";
    case GemmActivation::gelu:
      return "gelu";
    case GemmActivation::gelu_tanh:
      return "gelu_tanh";
  }
  return {};
}

std::string type_of(DType dtype) {
  if (dtype == DType::f8e4m3) return "e4m3";
  return dtype == DType::f16 ? "f16" : "float";
}

using Defines = std::vector<std::pair<std::string, std::string>>;

Defines common_defines(const GemmProblem& problem, const GemmTactic& tactic) {
  const auto number = [](int64_t value) { return std::to_string(value); };
  return {{"OPERAND_TYPE", type_of(problem.operand_dtype)},
          {"OUT_TYPE", type_of(problem.out_dtype)},
          {"K_BYTES", number(k_bytes(problem))},
          {"COLUMNS", number(problem.n)},
          {"PADDED_COLUMNS", number(padded_columns(problem.n))},
          {"TRANSPOSED_FROM", number(transposes(problem) ? problem.transposed_from : problem.n)},
          {"ACTIVATION", activation(problem)},
          {"RESIDUAL", number(problem.residual ? 1 : 0)},
          {"RESIDUAL_ROWS", number(problem.residual_rows)},
          {"COLUMN_SCALES", number(problem.column_scales ? 1 : 0)},
          {"FACTOR", number(multiplies_last(problem) ? 1 : 0)},
          {"TILE_COLUMNS", number(tactic.columns)},
          {"STAGES", number(tactic.stages)},
          {"STAGE_SLABS", number(tactic.stage_slabs)}};
}

KernelSource mma_source(const GemmProblem& problem, const GemmTactic& tactic) {
  KernelSource source{"gemm_mma.cu", "gemm", common_defines(problem, tactic), ""};
  const int across = tactic.columns / 64;
  const int down = tactic.consumers / across;
  source.defines.insert(source.defines.end(),
                        {{"WARPS_ACROSS", std::to_string(across)},
                         {"WARPS_DOWN", std::to_string(down)},
                         {"ROW_BLOCKS", std::to_string(tactic.rows / 16 / down)},
                         {"WEIGHT_PITCH", std::to_string(weight_pitch_bytes(problem))},
                         {"MMA", problem.operand_dtype == DType::f16 ? "mma_f16" : "mma_e4m3"}});
  return source;
}

KernelSource sm90_source(const GemmProblem& problem, const GemmTactic& tactic) {
  const bool f16 = problem.operand_dtype == DType::f16;
  KernelSource source{
      "gemm_" + name_of(tactic.kernel) + ".cu", "gemm", common_defines(problem, tactic),
      wgmma_text({tactic.columns, f16 ? WgmmaOperand::f16 : WgmmaOperand::e4m3, false, false})};
  const RegisterShares registers = register_shares(tactic.consumers);
  source.defines.insert(
      source.defines.end(),
      {{"WGMMA", f16 ? "wgmma_f16" : "wgmma_e4m3"},
       {"CONSUMERS", std::to_string(tactic.consumers)},
       {"CONSUMER_REGISTERS", std::to_string(registers.consumer)},
       {"PRODUCER_REGISTERS", std::to_string(registers.producer)},
       {"NUMBERS", keeps_numbers(problem, tactic) ? "KeptNumbers<kGroups>" : "FetchedNumbers"},
       {"SHARED_NUMBERS", std::to_string(shares_numbers(tactic) ? 1 : 0)},
       {"DEFERRED_SLABS", std::to_string(deferred_slabs(problem, tactic))},
       {"SPLITS", std::to_string(tactic.splits)}});
  return source;
}

/// Clocks that the kernel is likely to take on an H200, a fit to measurements, to order candidates
/// and leave out the hopeless: a multiprocessor multiplies a slab of 64 rows in about 1.7 clocks a
/// column and 90 more (35 with two slabs a stage), but its shared memory moves 128 bytes a clock;
/// and it receives about 61 bytes a clock from the cache.
double estimated_clocks(const GemmProblem& problem, const GemmTactic& tactic, int64_t rows,
                        int multiprocessors) {
  constexpr double kBytesPerClock = 61;
  constexpr double kLaunch = 2500;
  const auto ceil_div = [](int64_t a, int64_t b) {
    const int64_t quotient = (a + b - 1) / b;
    return static_cast<double>(quotient);
  };
  const double slabs = slab_count(problem, tactic);
  const auto tiles =
      static_cast<int64_t>(ceil_div(rows, tactic.rows)) * panel_count(problem, tactic);
  const double waves = ceil_div(tiles * tactic.splits, multiprocessors);
  const double hand_over = tactic.stage_slabs > 1 ? 35 : 89;
  const double multiply =
      tactic.rows / 64.0 * std::max(hand_over + 1.72 * tactic.columns, 128.0 + tactic.columns);
  const double stream = (tactic.rows + tactic.columns) * 128 / kBytesPerClock;
  const double slab = std::max(multiply, stream);
  const double epilogue = 8.0 * tactic.columns;
  switch (tactic.kernel) {
    case GemmKernel::resident:
      return kLaunch + waves * slabs * std::max(multiply, 64 * 128 / kBytesPerClock) +
             slabs * tactic.columns * 128 / kBytesPerClock + epilogue;
    case GemmKernel::streamed:
      return kLaunch + waves * (slabs * slab + 500) + epilogue;
    case GemmKernel::deferred:
      return kLaunch + waves * (slabs * slab + 1800) + 2 * epilogue;
    case GemmKernel::split:
      return kLaunch + waves * (slabs / tactic.splits * slab + epilogue) +
             (tactic.splits > 1 ? 4900 + 210 * tactic.splits : 0);
    case GemmKernel::mma:
      return 1e9 + waves * slabs * tactic.rows * tactic.columns;
  }
  return 0;
}

/// As many stages as fit, up to `most`.
GemmTactic with_stages(const GemmProblem& problem, GemmTactic tactic, int most,
                       const DeviceProperties& device) {
  tactic.stages = most;
  while (tactic.stages > 1 && shared_bytes(problem, tactic) > device.shared_bytes) --tactic.stages;
  return tactic;
}

std::vector<GemmTactic> all_tactics(const GemmProblem& problem, const DeviceProperties& device) {
  std::vector<GemmTactic> all;
  const auto add = [&](const GemmTactic& tactic) {
    all.push_back(with_stages(problem, tactic, tactic.stages, device));
  };
  for (const int columns : {64, 128, 192, 256}) {
    for (const int consumers : {2, 3}) {
      add({GemmKernel::resident, 64, columns, 8, 1, consumers});
    }
    add({GemmKernel::resident, 64, columns, 4, 2, 2});
    add({GemmKernel::resident, 64, columns, 6, 2, 2});
    add({GemmKernel::streamed, 64, columns, 9, 1, 2});
    if (columns > 64) add({GemmKernel::deferred, 128, columns, 8, 1, 2});
    for (const int splits : {1, 2, 4, 8}) {
      // Two blocks on a multiprocessor where the stages allow.
      add({GemmKernel::split, 64, columns, columns == 64 ? 6 : 8, 1, 1, splits});
      add({GemmKernel::split, 128, columns, 8, 1, 2, splits});
    }
  }
  add({GemmKernel::mma, 128, 128, 4, 1, 8});
  add({GemmKernel::mma, 64, 64, 4, 1, 4});
  return all;
}

/// Why a resident panel cannot be used, in words; empty when it can. The others likewise.
std::string refusal_resident(const GemmProblem& problem, const GemmTactic& tactic,
                             const DeviceProperties& device) {
  if (slab_count(problem, tactic) > kMostResidentSlabs) return "K is too large";
  if (panel_count(problem, tactic) > device.multiprocessors) return "more panels than blocks";
  return fits_registers(problem, tactic) ? "" : "too few registers";
}

std::string refusal_deferred(const GemmProblem& problem, const GemmTactic& tactic) {
  if (transposes(problem)) return "it stores nothing transposed";
  if (problem.out_dtype == DType::f32) return "it keeps results in 16 bytes";
  if (problem.residual && problem.out_dtype != DType::f16) return "the residual does not fit";
  if (problem.residual_rows > 0) return "it reads the residual in steps";
  return deferred_slabs(problem, tactic) < 1 ? "K is too small" : "";
}

std::string refusal_split(const GemmProblem& problem, const GemmTactic& tactic) {
  if (tactic.rows != 64 * tactic.consumers || tactic.consumers > 2) return "it has other rows";
  if (transposes(problem) && tactic.splits > 1) return "it stores nothing transposed";
  if (tactic.splits > slab_count(problem, tactic)) return "K is too small";
  if (!fits_registers(problem, tactic)) return "too few registers";
  const bool sums_fit =
      tactic.stages * (tactic.rows + tactic.columns) * 128 >= 4 * tactic.rows * tactic.columns;
  return tactic.splits == 1 || sums_fit ? "" : "the sums do not fit into the stages";
}

std::string refusal_of_kernel(const GemmProblem& problem, const GemmTactic& tactic,
                              const DeviceProperties& device) {
  switch (tactic.kernel) {
    case GemmKernel::resident:
      return refusal_resident(problem, tactic, device);
    case GemmKernel::streamed:
      return fits_registers(problem, tactic) ? "" : "too few registers";
    case GemmKernel::deferred:
      return refusal_deferred(problem, tactic);
    case GemmKernel::split:
      return refusal_split(problem, tactic);
    case GemmKernel::mma:
      return {};
  }
  return {};
}

}  // namespace

int block_threads(const GemmTactic& tactic) {
  if (tactic.kernel == GemmKernel::mma) return tactic.consumers * 32;
  const bool one_warp_copies = tactic.kernel == GemmKernel::split && tactic.consumers == 1;
  return tactic.consumers * 128 + (one_warp_copies ? 32 : 128);
}

int64_t shared_bytes(const GemmProblem& problem, const GemmTactic& tactic) {
  const int64_t slab = slab_bytes(tactic);
  const int64_t slabs = slab_count(problem, tactic);
  const int64_t a = tactic.rows * slab * tactic.stage_slabs;
  const int64_t w = tactic.columns * slab * tactic.stage_slabs;
  if (tactic.kernel == GemmKernel::mma) return tactic.stages * (a + w);
  const int64_t barriers = 16 * tactic.stages + 8 * tactic.consumers;
  if (tactic.kernel == GemmKernel::resident) {
    const int64_t steps = slabs / tactic.stage_slabs;
    return tactic.stages * a + steps * w + barriers + 16 * steps;
  }
  return tactic.stages * (a + w) + barriers + shared_number_bytes(problem, tactic);
}

std::string refusal(const GemmProblem& problem, const GemmTactic& tactic,
                    const DeviceProperties& device) {
  if (std::string reason = refusal(problem); !reason.empty()) return reason;
  if (tactic.kernel != GemmKernel::mma && device.major != 9) return "it needs sm_90a";
  if (tactic.kernel == GemmKernel::mma && tactic.programmatic) return "it does not wait";
  const int most_slabs = tactic.kernel == GemmKernel::resident ? 2 : 1;
  if (tactic.stage_slabs < 1 || tactic.stage_slabs > most_slabs)
    return "its stages hold fewer slabs";
  if (slab_count(problem, tactic) % tactic.stage_slabs != 0) return "K is no multiple of a stage";
  if (tactic.stages < 3) return "fewer than 3 stages fit into shared memory";
  if (shared_bytes(problem, tactic) > device.shared_bytes) return "too little shared memory";
  if (tactic.columns % group_columns(problem) != 0) return "a tile has no whole groups of columns";
  if (transposes(problem) && problem.transposed_from % tactic.columns != 0) {
    return "the transposed part begins inside a tile";
  }
  return refusal_of_kernel(problem, tactic, device);
}

std::string to_string(const GemmTactic& tactic) {
  std::string text = fmt::format("{} {}x{}, {} stages", name_of(tactic.kernel), tactic.rows,
                                 tactic.columns, tactic.stages);
  if (tactic.stage_slabs > 1) text += fmt::format(" of {} slabs", tactic.stage_slabs);
  if (tactic.programmatic) text += ", programmatic";
  if (tactic.kernel == GemmKernel::mma) return text + fmt::format(", {} warps", tactic.consumers);
  if (tactic.kernel == GemmKernel::split) return text + fmt::format(", K in {}", tactic.splits);
  return text + fmt::format(", {} consumers", tactic.consumers);
}

Json GemmTactic::to_json() const {
  return {{"kernel", name_of(kernel)},  {"rows", rows},
          {"columns", columns},         {"stages", stages},
          {"stage_slabs", stage_slabs}, {"consumers", consumers},
          {"splits", splits},           {"programmatic", programmatic}};
}

GemmTactic GemmTactic::from_json(const Json& json, std::string_view where) {
  return {kernel_named(json_at<std::string>(json, "kernel", where), where),
          json_at<int>(json, "rows", where),
          json_at<int>(json, "columns", where),
          json_at<int>(json, "stages", where),
          json_at<int>(json, "stage_slabs", where),
          json_at<int>(json, "consumers", where),
          json_at<int>(json, "splits", where),
          json_or<bool>(json, "programmatic", false, where)};
}

std::vector<GemmTactic> candidates(const GemmProblem& problem, int64_t rows,
                                   const DeviceProperties& device) {
  constexpr double kHopeless = 1.5;  // times the best estimate
  constexpr size_t kMost = 8;
  std::vector<std::pair<double, GemmTactic>> rated;
  for (const GemmTactic& tactic : all_tactics(problem, device)) {
    if (!refusal(problem, tactic, device).empty()) continue;
    rated.emplace_back(estimated_clocks(problem, tactic, rows, device.multiprocessors), tactic);
    rated.back().second.programmatic = tactic.kernel != GemmKernel::mma;
  }
  check(!rated.empty(), "no kernel computes a product of {} by {}", problem.k, problem.n);
  std::ranges::stable_sort(rated, {}, [](const auto& row) { return row.first; });
  std::vector<GemmTactic> chosen;
  for (const auto& [clocks, tactic] : rated) {
    if (chosen.size() == kMost || clocks > kHopeless * rated[0].first) break;
    if (std::ranges::find(chosen, tactic) == chosen.end()) chosen.push_back(tactic);
  }
  return chosen;
}

KernelSource source(const GemmProblem& problem, const GemmTactic& tactic) {
  return tactic.kernel == GemmKernel::mma ? mma_source(problem, tactic)
                                          : sm90_source(problem, tactic);
}

}  // namespace octet::cuda
