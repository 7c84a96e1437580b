#include "cuda/gemm.h"

#include <gtest/gtest.h>

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

class GemmRunTest : public ::testing::TestWithParam<NamedProblem> {
 protected:
  void SetUp() override {
    if (!availability().available) GTEST_SKIP() << availability().reason;
    if (!compiler().available) GTEST_SKIP() << compiler().reason;
    device_ = &Device::get(0);
  }

  void expect_right_with(const GemmCase& problem_case, const std::vector<GemmTactic>& tactics) {
    const GemmInputs inputs = make_inputs(problem_case);
    for (const GemmTactic& tactic : tactics) {
      SCOPED_TRACE(fmt::format("{} rows, {}", problem_case.rows, to_string(tactic)));
      const GemmComparison result = run_case(*device_, problem_case, inputs, tactic, 3);
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

  const Device* device_ = nullptr;
};

TEST_P(GemmRunTest, EveryTacticIsRightAtOddNumbersOfRows) {
  const GemmProblem& problem = GetParam().problem;
  expect_right_with({problem, 1000, GemmData::normal, false},
                    every_tactic(problem, device_->properties()));
}

TEST_P(GemmRunTest, TheLikeliestTacticIsRightAtAnyNumberOfRows) {
  const GemmProblem& problem = GetParam().problem;
  for (const int64_t rows : {1, 12, 77, 257, 2056, 9843}) {
    expect_right_with({problem, rows, GemmData::adversarial, false},
                      {candidates(problem, rows, device_->properties()).front()});
  }
}

TEST_P(GemmRunTest, TheResidualMayBeTheResult) {
  const GemmProblem& problem = GetParam().problem;
  if (!may_be_in_place(problem)) GTEST_SKIP() << "no residual of as many rows";
  expect_right_with({problem, 1000, GemmData::normal, true},
                    every_tactic(problem, device_->properties()));
}

TEST_P(GemmRunTest, ManyRows) {
  const GemmProblem& problem = GetParam().problem;
  if (problem.n * problem.k > 1024 * 4096) GTEST_SKIP() << "large";
  const auto tactics = candidates(problem, 32896, device_->properties());
  expect_right_with({problem, 32896, GemmData::normal, may_be_in_place(problem)},
                    {tactics.front()});
}

/// Warps' own matrix instruction runs on every architecture.
TEST_P(GemmRunTest, WarpMatrixInstruction) {
  const GemmProblem& problem = GetParam().problem;
  for (const auto& [rows, columns, warps] : {std::tuple{128, 128, 8}, {64, 64, 4}}) {
    const GemmTactic tactic{GemmKernel::mma, rows, columns, 4, 1, warps};
    if (!refusal(problem, tactic, device_->properties()).empty()) continue;
    for (const int64_t count : {1, 257}) {
      expect_right_with({problem, count, GemmData::adversarial, false}, {tactic});
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Problems, GemmRunTest, ::testing::ValuesIn(gemm_problems()),
                         [](const auto& parameter) { return parameter.param.name; });

}  // namespace
}  // namespace octet::cuda
