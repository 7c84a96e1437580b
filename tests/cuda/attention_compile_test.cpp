#include <gtest/gtest.h>

#include "base/threads.h"
#include "cuda/attention.h"
#include "tests/cuda/machine_code.h"

namespace octet::cuda {
namespace {

DeviceProperties device_of(const std::string& arch) {
  DeviceProperties device;
  const int number = std::stoi(arch.substr(3));
  device.major = number / 10;
  device.minor = number % 10;
  device.shared_bytes = (device.major == 9 ? 227 : 99) * 1024;
  device.multiprocessors = 132;
  return device;
}

AttentionProblem problem_of(int head_dim, int max_rows, AttentionLayout layout) {
  AttentionProblem problem;
  problem.heads = 16;
  problem.head_dim = head_dim;
  problem.max_rows = max_rows;
  problem.layout = layout;
  problem.q_pitch = problem.k_pitch = problem.v_pitch = 48 * int64_t{head_dim};
  return problem;
}

AttentionProblem in_f16(AttentionProblem problem) {
  problem.dtype = problem.out_dtype = DType::f16;
  problem.quantized = false;
  return problem;
}

std::vector<AttentionProblem> problems() {
  using enum AttentionLayout;
  std::vector<AttentionProblem> all;
  for (const int head_dim : {64, 80, 88, 104, 128}) all.push_back(problem_of(head_dim, 257, rows));
  for (const int max_rows : {50, 577}) all.push_back(problem_of(64, max_rows, rows));
  for (const int max_rows : {50, 257, 325, 577}) {
    all.push_back(problem_of(64, max_rows, values_transposed));
    all.push_back(in_f16(problem_of(64, max_rows, rows)));
  }
  for (const int max_rows : {257, 577}) all.push_back(problem_of(80, max_rows, values_transposed));
  AttentionProblem text = problem_of(64, 77, rows);
  text.causal = true;
  all.push_back(text);
  all.push_back(in_f16(text));
  text.ragged = true;
  all.push_back(text);
  AttentionProblem pooled = problem_of(64, 197, rows);
  pooled.pooled_query = true;
  all.push_back(pooled);
  return all;
}

/// What is wrong with a compiled tactic; empty when nothing is.
std::string fault(const AttentionProblem& problem, const AttentionTactic& tactic,
                  const std::string& arch) {
  const CompiledKernel kernel = compile_kernel(source(problem, tactic), arch);
  if (kernel.spill_bytes != 0) return fmt::format("{} bytes spilled", kernel.spill_bytes);
  if (kernel.log.find("C75") != std::string::npos) return kernel.log;
  if (tactic.kernel == AttentionKernel::mma) return {};
  const unsigned opcode = problem.dtype == DType::f16 ? kHgmma : kQgmma;
  return count_opcode(kernel.cubin, opcode) < 4 ? "no wgmma" : "";
}

class AttentionCompileTest : public ::testing::TestWithParam<const char*> {};

TEST_P(AttentionCompileTest, EveryTacticCompilesAsItShould) {
  if (!compiler().available) GTEST_SKIP() << compiler().reason;
  const std::string arch = GetParam();
  const DeviceProperties device = device_of(arch);
  std::vector<std::pair<AttentionProblem, AttentionTactic>> all;
  for (const AttentionProblem& problem : problems()) {
    if (!refusal(problem, device).empty()) continue;
    for (const AttentionTactic& tactic : candidates(problem, device)) {
      all.emplace_back(problem, tactic);
    }
  }
  std::vector<std::string> faults(all.size());
  parallel_for(static_cast<int64_t>(all.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      faults[i] = fault(all[i].first, all[i].second, arch);
    }
  });
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(faults[i], "") << all[i].first.max_rows << " rows, heads of " << all[i].first.head_dim
                             << " in " << name_of(all[i].first.dtype) << ": "
                             << all[i].second.to_json().dump();
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, AttentionCompileTest,
                         ::testing::Values("sm_89", "sm_90a", "sm_120a"),
                         [](const auto& arch) { return std::string(arch.param); });

}  // namespace
}  // namespace octet::cuda
