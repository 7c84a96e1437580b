// Quantized probabilities of every vector target against the scalar codec.
#include "cpu/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "cpu/packing.h"
#include "cpu/vector_targets.h"
#include "tensor/codecs.h"

namespace octet::cpu {
namespace {

class Softmax : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { force_vector_target(GetParam()); }
  void TearDown() override { force_vector_target(""); }
};

INSTANTIATE_TEST_SUITE_P(Targets, Softmax, ::testing::ValuesIn(vector_targets()),
                         [](const auto& instance) { return instance.param; });

/// Probabilities of one row of scores.
std::vector<float> weigh(std::vector<float> scores, float quantum) {
  const auto keys = static_cast<int64_t>(scores.size());
  alignas(64) float panel[kPanelColumns] = {};
  std::ranges::copy(scores, panel);
  std::vector<float> out(scores.size());
  SoftmaxBlock block;
  block.scores = panel;
  block.panel_stride = kPanelColumns;
  block.rows = 1;
  block.keys = keys;
  block.quantum = quantum;
  alignas(64) float padded[kPanelColumns] = {};
  block.out = reinterpret_cast<std::byte*>(padded);
  block.out_stride = sizeof(padded);
  block.width = keys;
  softmax_rows(block);
  std::copy_n(padded, keys, out.begin());
  return out;
}

/// Two equal scores have a probability of exactly one half.
TEST_P(Softmax, ProbabilitiesTakeTheNearestE4M3Value) {
  for (int step = -1500; step <= 1000; ++step) {
    const float quantum = std::exp2(static_cast<float>(step) / 100.0F);
    const float expected = e4m3_to_f32(f32_to_e4m3(0.5F / quantum));
    EXPECT_EQ(weigh({1.5F, 1.5F}, quantum), (std::vector<float>{expected, expected})) << quantum;
  }
}

TEST_P(Softmax, TiesGoToTheEvenValue) {
  // 1/2 over these is halfway between two E4M3 values, or between zero and the smallest.
  for (const auto& [quantum, expected] :
       {std::pair{0x1p9F, 0.0F}, {0x1p9F / 3.0F, 0x1p-8F}, {0x1p8F, 0x1p-9F}}) {
    EXPECT_EQ(weigh({0.0F, 0.0F}, quantum).front(), expected) << quantum;
  }
}

TEST_P(Softmax, WhatIsTooLargeSaturatesAndNaNStays) {
  EXPECT_EQ(weigh({0.0F, 0.0F}, 1e-6F).front(), 448.0F);
  EXPECT_EQ(weigh({0.0F, 0.0F}, 1e-30F).front(), 448.0F);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float weight : weigh({1.0F, nan, 2.0F}, 1.0F / 448.0F))
    EXPECT_TRUE(std::isnan(weight));
}

}  // namespace
}  // namespace octet::cpu
