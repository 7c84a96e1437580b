#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/cuda/attention_case.h"
#include "tests/cuda/attention_rounding.h"

namespace octet::cuda {
namespace {

constexpr int kRuns = 3;

/// The most that a kernel may be off, by what it multiplies with.
struct Tolerance {
  double relative;
  double codes_unlike;
};

Tolerance tolerance_of(const AttentionCase& c, const AttentionTactic& tactic) {
  const bool codes = c.problem.out_dtype == DType::f8e4m3;
  // FP16 results have no codes to count. The order in which sums are taken is not the simulation's.
  if (tactic.kernel != AttentionKernel::mma && c.problem.dtype == DType::f8e4m3) {
    return {1.5e-2, codes ? 1.25 * tabled_share(c) + 0.01 : 1};
  }
  // Probabilities that are not quantized are rounded to FP16.
  if (!c.problem.quantized) return codes ? Tolerance{6e-3, 0.02} : Tolerance{2e-3, 0.01};
  return {6e-3, 0.01};
}

AttentionCase case_of(int batch, int heads, int head_dim, int rows) {
  AttentionCase c;
  c.batch = batch;
  c.problem.heads = heads;
  c.problem.head_dim = head_dim;
  c.problem.max_rows = rows;
  return c;
}

class AttentionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!availability().available) GTEST_SKIP() << availability().reason;
    if (!compiler().available) GTEST_SKIP() << compiler().reason;
    device_ = &Device::get(0);
  }

  /// Every tactic of every case in its layout; of none where the device has no kernel for it.
  void expect_right(const std::vector<AttentionCase>& cases) { expect_right_in(cases, {}); }
  void expect_right_in_both_layouts(const std::vector<AttentionCase>& cases) {
    expect_right_in(cases, {AttentionLayout::rows, AttentionLayout::values_transposed});
  }

 private:
  struct Variant {
    AttentionCase problem_case;
    std::vector<AttentionTactic> tactics;
  };

  /// The case in each of the layouts (none: its own) that the device has a kernel for.
  [[nodiscard]] std::vector<Variant> variants_of(
      const AttentionCase& described, const std::vector<AttentionLayout>& layouts) const {
    std::vector<Variant> variants;
    const auto add = [&](AttentionLayout layout) {
      AttentionCase c = described;
      c.problem.layout = layout;
      c = prepared(c);
      if (!refusal(c.problem, device_->properties()).empty()) return;
      variants.push_back({c, candidates(c.problem, device_->properties())});
    };
    for (const AttentionLayout layout : layouts) add(layout);
    if (layouts.empty()) add(described.problem.layout);
    return variants;
  }

  void expect_right_in(const std::vector<AttentionCase>& cases,
                       const std::vector<AttentionLayout>& layouts) {
    std::vector<KernelSource> sources;
    for (const AttentionCase& c : cases) {
      for (const auto& [variant, tactics] : variants_of(c, layouts)) {
        for (const AttentionTactic& tactic : tactics) {
          sources.push_back(source(variant.problem, tactic));
        }
      }
    }
    compile_kernels(sources, device_->properties().arch());
    for (const AttentionCase& c : cases) {
      const AttentionSamples samples = make_samples(c);
      for (const Variant& variant : variants_of(c, layouts)) expect_right(variant, samples);
    }
  }

  void expect_right(const Variant& variant, const AttentionSamples& samples) {
    const AttentionCase& c = variant.problem_case;
    const AttentionData data = make_data(c, samples);
    for (const AttentionTactic& tactic : variant.tactics) {
      SCOPED_TRACE(tactic.to_json().dump() + " " + source(c.problem, tactic).entry + " rows " +
                   std::to_string(c.problem.max_rows) + " head " +
                   std::to_string(c.problem.head_dim));
      const Comparison result = run_case(*device_, c, samples, data, tactic, kRuns);
      EXPECT_EQ(result.not_numbers, 0);
      EXPECT_EQ(result.trespasses, 0);
      const Tolerance tolerance = tolerance_of(c, tactic);
      EXPECT_LE(result.relative, tolerance.relative);
      EXPECT_LE(result.codes_unlike, c.identity_values ? 0.005 : tolerance.codes_unlike);
      EXPECT_EQ(c.identity_values ? result.codes_far : 0, 0);
    }
  }

  const Device* device_ = nullptr;
};

TEST_F(AttentionTest, AnyNumberOfRows) {
  std::vector<AttentionCase> cases;
  for (const int rows : {1, 5, 16, 50, 65, 77, 197, 257, 577, 1024}) {
    cases.push_back(case_of(2, rows > 257 ? 1 : 2, 64, rows));
  }
  expect_right_in_both_layouts(cases);
}

TEST_F(AttentionTest, EveryHeadSize) {
  std::vector<AttentionCase> cases;
  for (const int head_dim : {8, 64, 80, 88, 104, 128}) {
    cases.push_back(case_of(3, 2, head_dim, 257));
  }
  expect_right_in_both_layouts(cases);
}

TEST_F(AttentionTest, MoreWorkThanTheDeviceTakesAtATime) {
  expect_right_in_both_layouts({case_of(214, 5, 64, 257), case_of(214, 5, 64, 197),
                                case_of(214, 5, 64, 50), case_of(214, 5, 64, 145),
                                case_of(100, 3, 64, 577), case_of(160, 5, 80, 257)});
}

TEST_F(AttentionTest, EveryKindOfScores) {
  std::vector<AttentionCase> cases;
  for (const Scores scores : {Scores::sharp, Scores::flat, Scores::huge, Scores::negative}) {
    for (const int rows : {577, 257, 77}) {
      AttentionCase c = case_of(2, rows > 257 ? 1 : 4, 64, rows);
      c.scores = scores;
      cases.push_back(c);
      if (rows > 77) continue;
      c.problem.causal = true;
      cases.push_back(c);
    }
  }
  expect_right_in_both_layouts(cases);
}

TEST_F(AttentionTest, ProbabilitiesAreRoundedAsTheGraphSays) {
  std::vector<AttentionCase> codes;
  std::vector<AttentionCase> halves;
  for (const int rows : {577, 257, 197, 77}) {
    AttentionCase c = case_of(2, rows > 257 ? 10 : 5, 64, rows);
    c.identity_values = true;
    c.problem.causal = rows == 77;
    codes.push_back(c);
    c.problem.dtype = DType::f16;
    halves.push_back(c);
  }
  expect_right_in_both_layouts(codes);
  expect_right(halves);
}

TEST_F(AttentionTest, Causal) {
  std::vector<AttentionCase> cases;
  for (const int rows : {1, 12, 64, 77, 200}) {
    cases.push_back(case_of(40, 12, 64, rows));
    cases.back().problem.causal = true;
  }
  expect_right_in_both_layouts(cases);
}

TEST_F(AttentionTest, Ragged) {
  AttentionCase c = case_of(100, 12, 64, 77);
  c.problem.ragged = true;
  c.rows = {7, 12, 77, 1, 16, 33, 64, 65, 9, 5, 40};
  c.distinct = 11;
  AttentionCase causal = c;
  causal.problem.causal = true;
  expect_right_in_both_layouts({c, causal});
}

TEST_F(AttentionTest, PooledQueries) {
  AttentionCase c = case_of(5, 4, 64, 257);
  c.problem.pooled_query = true;
  AttentionCase ragged = c;
  ragged.problem.ragged = true;
  ragged.rows = {7, 257, 77, 1, 16};
  ragged.distinct = 5;
  expect_right({c, ragged});
}

TEST_F(AttentionTest, Fp16) {
  std::vector<AttentionCase> cases;
  for (const bool quantized : {false, true}) {
    for (const int rows : {1, 50, 77, 197, 257, 577}) {
      AttentionCase c = case_of(2, rows > 257 ? 1 : 4, 64, rows);
      c.problem.dtype = c.problem.out_dtype = DType::f16;
      c.problem.quantized = quantized;
      cases.push_back(c);
      c.problem.out_dtype = DType::f8e4m3;
      c.problem.causal = rows == 77;
      cases.push_back(c);
    }
  }
  expect_right(cases);
}

TEST_F(AttentionTest, MoreFp16WorkThanTheDeviceTakesAtATime) {
  std::vector<AttentionCase> cases;
  for (const int rows : {50, 77, 197, 257, 325}) {
    AttentionCase c = case_of(160, 5, 64, rows);
    c.problem.dtype = c.problem.out_dtype = DType::f16;
    c.problem.quantized = false;
    cases.push_back(c);
  }
  expect_right(cases);
}

TEST_F(AttentionTest, Fp16Output) {
  AttentionCase c = case_of(3, 4, 64, 257);
  c.problem.out_dtype = DType::f16;
  expect_right_in_both_layouts({c});
}

}  // namespace
}  // namespace octet::cuda
