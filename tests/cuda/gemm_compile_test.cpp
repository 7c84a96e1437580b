#include <gtest/gtest.h>

#include "base/threads.h"
#include "cuda/gemm_layout.h"
#include "tests/cuda/gemm_shapes.h"
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

class GemmCompileTest : public ::testing::TestWithParam<const char*> {};

/// The first tactic of each kernel and height of tiles.
std::vector<GemmTactic> one_of_each(const GemmProblem& problem, const DeviceProperties& device) {
  std::vector<GemmTactic> chosen;
  for (const GemmTactic& tactic : every_tactic(problem, device)) {
    const auto like = [&](const GemmTactic& other) {
      return other.kernel == tactic.kernel && other.rows == tactic.rows;
    };
    if (std::ranges::none_of(chosen, like)) chosen.push_back(tactic);
  }
  return chosen;
}

/// What is wrong with a compiled tactic; empty when nothing is.
std::string fault(const GemmProblem& problem, const GemmTactic& tactic, const std::string& arch) {
  const CompiledKernel kernel = compile_kernel(source(problem, tactic), arch);
  if (kernel.spill_bytes != 0) return fmt::format("{} bytes spilled", kernel.spill_bytes);
  // The compiler says so where it makes wgmma wait for each other.
  if (kernel.log.find("C75") != std::string::npos) return kernel.log;
  const unsigned opcode = problem.operand_dtype == DType::f16 ? kHgmma : kQgmma;
  const bool uses_wgmma = tactic.kernel != GemmKernel::mma;
  return uses_wgmma && count_opcode(kernel.cubin, opcode) < 4 ? "no wgmma in the code" : "";
}

TEST_P(GemmCompileTest, EveryKernelCompilesWithoutSpills) {
  if (!compiler().available) GTEST_SKIP() << compiler().reason;
  const DeviceProperties device = device_of(GetParam());
  std::vector<std::pair<NamedProblem, GemmTactic>> all;
  for (const NamedProblem& named : gemm_problems()) {
    for (const GemmTactic& tactic : one_of_each(named.problem, device)) {
      all.emplace_back(named, tactic);
    }
  }
  std::vector<std::string> faults(all.size());
  parallel_for(static_cast<int64_t>(all.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      faults[i] = fault(all[i].first.problem, all[i].second, GetParam());
    }
  });
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(faults[i], "") << all[i].first.name << ": " << to_string(all[i].second);
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, GemmCompileTest,
                         ::testing::Values("sm_89", "sm_90a", "sm_120a"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace octet::cuda
