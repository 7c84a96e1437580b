#include "cuda/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/error.h"
#include "cuda/gemm_layout.h"
#include "tensor/codecs.h"
#include "tests/cuda/gemm_case.h"
#include "tests/cuda/gemm_shapes.h"

namespace octet::cuda {
namespace {

TEST(GemmTest, TacticsSurviveJson) {
  const GemmTactic tactic{GemmKernel::split, 64, 128, 7, 1, 1, 4, true};
  EXPECT_EQ(GemmTactic::from_json(tactic.to_json(), "plan"), tactic);
  Json broken = tactic.to_json();
  broken["kernel"] = "none";
  EXPECT_THROW(static_cast<void>(GemmTactic::from_json(broken, "plan")), Error);
}

TEST(GemmTest, PackedRowsAreFeaturesInAnotherOrder) {
  for (const DType out : {DType::f8e4m3, DType::f16, DType::f32}) {
    GemmProblem problem;
    problem.out_dtype = out;
    problem.n = 128;
    std::vector<bool> seen(128);
    for (int64_t row = 0; row < problem.n; ++row) {
      const int64_t feature = feature_of_row(problem, row);
      ASSERT_TRUE(feature >= 0 && feature < problem.n);
      EXPECT_FALSE(seen[static_cast<size_t>(feature)]);
      seen[static_cast<size_t>(feature)] = true;
    }
  }
}

TEST(GemmTest, WeightsArePackedWithZerosBehindThem) {
  GemmProblem problem;
  problem.operand_dtype = problem.out_dtype = DType::f16;
  problem.n = 40;
  problem.k = 9;
  Tensor weight(DType::f16, {problem.k, problem.n});
  for (int64_t i = 0; i < weight.count(); ++i) {
    weight.mutable_values<uint16_t>()[static_cast<size_t>(i)] = static_cast<uint16_t>(i + 1);
  }
  const Tensor packed = pack_weight(problem, weight);
  ASSERT_EQ(packed.shape(), (Shape{64, 16}));
  for (int64_t row = 0; row < 64; ++row) {
    const int64_t feature = feature_of_row(problem, row);
    for (int64_t k = 0; k < 16; ++k) {
      const bool inside = feature < problem.n && k < problem.k;
      EXPECT_EQ(packed.values<uint16_t>()[static_cast<size_t>(row * 16 + k)],
                inside ? k * problem.n + feature + 1 : 0);
    }
  }
}

TEST(GemmTest, WhatNoKernelComputesIsRefusedInWords) {
  GemmProblem problem;
  problem.n = 64;
  problem.k = 64;
  EXPECT_EQ(refusal(problem), "");
  problem.n = 72;
  EXPECT_EQ(refusal(problem), "72 columns are no multiple of 16");
  problem.n = 128;
  problem.transposed_from = 32;
  EXPECT_NE(refusal(problem), "");
  problem.transposed_from = -1;
  problem.operand_dtype = DType::bf16;
  EXPECT_EQ(refusal(problem), "operands are bf16");
}

TEST(GemmTest, ScalesThatDifferAreRefusedWhereTheProblemSaysTheyDoNot) {
  GemmProblem problem;
  problem.n = 16;
  problem.k = 16;
  const std::vector<float> scale(16, 2);
  EXPECT_NO_THROW(static_cast<void>(pack_epilogue(problem, {scale, {}, {}, {}})));
  std::vector<float> other = scale;
  other[3] = 1;
  EXPECT_THROW(static_cast<void>(pack_epilogue(problem, {other, {}, {}, {}})), std::logic_error);
}

/// The bounds of a result: FP8 products keep 13 bits on the way.
void expect_right(const GemmProblem& problem, const GemmComparison& result) {
  const bool codes = problem.out_dtype == DType::f8e4m3;
  EXPECT_LT(result.relative, codes ? 1.2e-2 : 2e-3);
  if (codes) {
    EXPECT_LT(result.unlike, 0.04);
  }
  EXPECT_LT(result.worst, 1.0);
  EXPECT_EQ(result.poison, 0);
  EXPECT_EQ(result.trespasses, 0);
}

bool may_be_in_place(const GemmProblem& problem) {
  return problem.residual && problem.out_dtype == DType::f16 && problem.residual_rows == 0;
}

constexpr std::array<int64_t, 6> kRowCounts{1, 12, 77, 257, 2056, 9843};
constexpr int64_t kManyRows = 32896;

std::vector<GemmTactic> warp_tactics(const GemmProblem& problem, const DeviceProperties& device) {
  std::vector<GemmTactic> tactics{{GemmKernel::mma, 128, 128, 4, 1, 8},
                                  {GemmKernel::mma, 64, 64, 4, 1, 4}};
  std::erase_if(
      tactics, [&](const GemmTactic& tactic) { return !refusal(problem, tactic, device).empty(); });
  return tactics;
}

/// What the tests of a problem run.
std::vector<KernelSource> sources_of(const GemmProblem& problem, const DeviceProperties& device) {
  std::vector<GemmTactic> tactics = every_tactic(problem, device);
  std::ranges::copy(warp_tactics(problem, device), std::back_inserter(tactics));
  for (const int64_t rows : kRowCounts) {
    tactics.push_back(candidates(problem, rows, device).front());
  }
  tactics.push_back(candidates(problem, kManyRows, device).front());
  std::vector<KernelSource> sources;
  sources.reserve(tactics.size());
  for (const GemmTactic& tactic : tactics) sources.push_back(source(problem, tactic));
  return sources;
}

class GemmRunTest : public ::testing::TestWithParam<NamedProblem> {
 protected:
  /// Compiles side by side what the chosen tests run one by one.
  static void SetUpTestSuite() {
    if (!availability().available || !compiler().available) return;
    const DeviceProperties& device = Device::get(0).properties();
    std::vector<KernelSource> sources;
    for (const NamedProblem& named : gemm_problems()) {
      if (is_chosen(named.name)) {
        std::ranges::copy(sources_of(named.problem, device), std::back_inserter(sources));
      }
    }
    compile_kernels(sources, device.arch());
  }

  /// Will a test of this problem run?
  static bool is_chosen(const std::string& name) {
    const ::testing::TestSuite& suite = *::testing::UnitTest::GetInstance()->current_test_suite();
    for (int i = 0; i < suite.total_test_count(); ++i) {
      const ::testing::TestInfo& test = *suite.GetTestInfo(i);
      if (test.should_run() && std::string_view(test.name()).ends_with("/" + name)) return true;
    }
    return false;
  }

  void SetUp() override {
    if (!availability().available) GTEST_SKIP() << availability().reason;
    if (!compiler().available) GTEST_SKIP() << compiler().reason;
    device = &Device::get(0);
  }

  void expect_right_with(const GemmCase& problem_case, const std::vector<GemmTactic>& tactics) {
    const GemmInputs inputs = make_inputs(problem_case);
    for (const GemmTactic& tactic : tactics) {
      SCOPED_TRACE(fmt::format("{} rows, {}", problem_case.rows, to_string(tactic)));
      const GemmComparison result = run_case(*device, problem_case, inputs, tactic, 3);
      expect_right(problem_case.problem, result);
      RecordProperty("relative", std::to_string(result.relative));
      if (HasFailure()) {
        fmt::print(
            "{} rows, {}: relative {:.2e} unlike {:.3f} worst {:.2f} poison {} trespasses {}\n",
            problem_case.rows, to_string(tactic), result.relative, result.unlike, result.worst,
            result.poison, result.trespasses);
        return;
      }
    }
  }

  const Device* device = nullptr;
};

TEST_P(GemmRunTest, EveryTacticIsRightAtOddNumbersOfRows) {
  const GemmProblem& problem = GetParam().problem;
  expect_right_with({problem, 1000, GemmData::normal, false},
                    every_tactic(problem, device->properties()));
}

TEST_P(GemmRunTest, TheLikeliestTacticIsRightAtAnyNumberOfRows) {
  const GemmProblem& problem = GetParam().problem;
  for (const int64_t rows : kRowCounts) {
    expect_right_with({problem, rows, GemmData::adversarial, false},
                      {candidates(problem, rows, device->properties()).front()});
  }
}

TEST_P(GemmRunTest, TheResidualMayBeTheResult) {
  const GemmProblem& problem = GetParam().problem;
  if (!may_be_in_place(problem)) GTEST_SKIP() << "no residual of as many rows";
  expect_right_with({problem, 1000, GemmData::normal, true},
                    every_tactic(problem, device->properties()));
}

TEST_P(GemmRunTest, ManyRows) {
  const GemmProblem& problem = GetParam().problem;
  if (problem.n * problem.k > int64_t{1024} * 4096) GTEST_SKIP() << "large";
  const auto tactics = candidates(problem, kManyRows, device->properties());
  expect_right_with({problem, kManyRows, GemmData::normal, may_be_in_place(problem)},
                    {tactics.front()});
}

/// Warps' own matrix instruction runs on every architecture.
TEST_P(GemmRunTest, WarpMatrixInstruction) {
  const GemmProblem& problem = GetParam().problem;
  for (const int64_t rows : {1, 257}) {
    expect_right_with({problem, rows, GemmData::adversarial, false},
                      warp_tactics(problem, device->properties()));
  }
}

INSTANTIATE_TEST_SUITE_P(Problems, GemmRunTest, ::testing::ValuesIn(gemm_problems()),
                         [](const auto& parameter) { return parameter.param.name; });

}  // namespace
}  // namespace octet::cuda
