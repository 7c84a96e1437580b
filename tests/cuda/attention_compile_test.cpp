#include <gtest/gtest.h>

#include "cuda/attention.h"

namespace octet::cuda {
namespace {

struct Shape {
  std::string name;
  AttentionProblem problem;
};

AttentionProblem problem_of(int heads, int head_dim, int max_rows) {
  AttentionProblem problem;
  problem.heads = heads;
  problem.head_dim = head_dim;
  problem.max_rows = max_rows;
  problem.q_pitch = problem.k_pitch = problem.v_pitch = int64_t{heads} * head_dim;
  return problem;
}

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const auto& [head_dim, max_rows] :
       {std::pair{64, 257}, {64, 197}, {64, 577}, {80, 257}, {88, 257}, {104, 257}, {128, 257}}) {
    all.push_back({fmt::format("{} x {}", head_dim, max_rows), problem_of(16, head_dim, max_rows)});
  }
  AttentionProblem text = problem_of(12, 64, 77);
  text.causal = true;
  all.push_back({"text", text});
  text.ragged = text.f16_steps = true;
  all.push_back({"ragged text", text});
  text.dtype = text.out_dtype = DType::f16;
  text.quantized = false;
  all.push_back({"ragged f16 text", text});
  AttentionProblem pooled = problem_of(12, 64, 197);
  pooled.pooled_query = true;
  all.push_back({"pooled", pooled});
  AttentionProblem halves = problem_of(16, 64, 257);
  halves.dtype = halves.out_dtype = DType::f16;
  halves.quantized = false;
  all.push_back({"f16", halves});
  for (const auto& [head_dim, max_rows] : {std::pair{64, 257}, {64, 197}, {80, 257}}) {
    AttentionProblem transposed = problem_of(16, head_dim, max_rows);
    transposed.layout = AttentionLayout::values_transposed;
    all.push_back({fmt::format("transposed {} x {}", head_dim, max_rows), transposed});
  }
  return all;
}

class AttentionCompileTest : public ::testing::TestWithParam<const char*> {};

TEST_P(AttentionCompileTest, EveryTacticCompilesWithoutSpills) {
  if (!compiler().available) GTEST_SKIP() << compiler().reason;
  DeviceProperties device;
  const std::string arch = GetParam();
  device.major = std::stoi(arch.substr(3)) / 10;
  device.minor = std::stoi(arch.substr(3)) % 10;
  device.shared_bytes = 227 * 1024;
  device.multiprocessors = 132;
  for (const Shape& shape : shapes()) {
    if (!refusal(shape.problem, device).empty()) continue;
    for (const AttentionTactic& tactic : candidates(shape.problem, device)) {
      const CompiledKernel kernel = compile_kernel(source(shape.problem, tactic), arch);
      SCOPED_TRACE(shape.name + " " + tactic.to_json().dump());
      EXPECT_EQ(kernel.spill_bytes, 0) << kernel.log;
      EXPECT_EQ(kernel.log.find("C75"), std::string::npos) << kernel.log;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, AttentionCompileTest,
                         ::testing::Values("sm_89", "sm_90a", "sm_120a"),
                         [](const auto& arch) { return std::string(arch.param); });

}  // namespace
}  // namespace octet::cuda
