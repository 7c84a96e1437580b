#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "data/dataset.h"

namespace octet::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SampleIndices, NeverChange) {
  EXPECT_THAT(sample_indices(1000, 8, 0), ElementsAre(203, 254, 366, 410, 503, 566, 821, 930));
  EXPECT_THAT(sample_indices(1000, 8, 1), ElementsAre(98, 160, 265, 389, 481, 565, 725, 911));
}

TEST(SampleIndices, AreAscendingAndDifferent) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto chosen = sample_indices(97, 31, seed);
    ASSERT_EQ(chosen.size(), 31U);
    EXPECT_TRUE(std::ranges::is_sorted(chosen, std::ranges::less_equal{}));
    EXPECT_GE(chosen.front(), 0);
    EXPECT_LT(chosen.back(), 97);
  }
}

TEST(SampleIndices, TakeAllWhenThereAreNoMore) {
  EXPECT_THAT(sample_indices(3, 3, 7), ElementsAre(0, 1, 2));
  EXPECT_THAT(sample_indices(3, 512, 7), ElementsAre(0, 1, 2));
  EXPECT_THAT(sample_indices(0, 512, 7), IsEmpty());
}

TEST(SampleIndices, ChooseEveryIndexAsOften) {
  constexpr int kSeeds = 4000;
  std::vector<int> count(20);
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const int64_t index : sample_indices(20, 5, seed)) ++count[static_cast<size_t>(index)];
  }
  // Binomial with n = 4000, p = 1/4: six standard deviations are 164.
  for (const int times : count) EXPECT_NEAR(times, 0.25 * kSeeds, 164);
}

}  // namespace
}  // namespace octet::data
