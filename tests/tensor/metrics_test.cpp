#include "tensor/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

namespace octet {
namespace {

using Floats = std::vector<float>;

constexpr double kTolerance = 1e-12;

TEST(Compare, EqualVectors) {
  const Drift drift = compare(Floats{1, -2, 3}, Floats{1, -2, 3});
  EXPECT_NEAR(drift.cosine, 1, kTolerance);
  EXPECT_EQ(drift.sqnr_db, std::numeric_limits<double>::infinity());
  EXPECT_EQ(drift.max_abs, 0);
  EXPECT_EQ(drift.max_relative, 0);
}

TEST(Compare, KnownDrift) {
  const Drift drift = compare(Floats{3, 5}, Floats{3, 4});
  EXPECT_NEAR(drift.cosine, 29 / (std::sqrt(34.0) * 5), kTolerance);
  EXPECT_NEAR(drift.sqnr_db, 10 * std::log10(25.0), kTolerance);
  EXPECT_EQ(drift.max_abs, 1);
  EXPECT_EQ(drift.max_relative, 0.25);
}

TEST(Compare, Directions) {
  EXPECT_NEAR(compare(Floats{1, 0}, Floats{0, 1}).cosine, 0, kTolerance);
  EXPECT_NEAR(compare(Floats{-2, -2}, Floats{1, 1}).cosine, -1, kTolerance);
}

TEST(Compare, Zeros) {
  EXPECT_EQ(compare(Floats{0, 0}, Floats{0, 0}).cosine, 1);
  EXPECT_EQ(compare(Floats{}, Floats{}).cosine, 1);
  const Drift drift = compare(Floats{1, 0}, Floats{0, 0});
  EXPECT_EQ(drift.cosine, 0);
  EXPECT_EQ(drift.max_relative, 1);
}

TEST(Compare, NanIsSeen) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(compare(Floats{1, nan}, Floats{1, 2}).cosine));
  EXPECT_TRUE(std::isnan(compare(Floats{1, 2}, Floats{nan, 2}).cosine));
}

TEST(Compare, TinyValuesDoNotVanish) {
  EXPECT_NEAR(compare(Floats{1e-30F, 0}, Floats{1e-30F, 0}).cosine, 1, kTolerance);
}

TEST(Compare, SizesMustAgree) {
  EXPECT_THROW(compare(Floats{1}, Floats{1, 2}), std::logic_error);
}

TEST(DifferingShare, CountsPositions) {
  const std::vector<uint8_t> a{1, 2, 3, 4};
  const std::vector<uint8_t> b{1, 9, 3, 9};
  EXPECT_EQ(differing_share(a, b), 0.5);
  EXPECT_EQ(differing_share(a, a), 0);
  EXPECT_EQ(differing_share({}, {}), 0);
}

}  // namespace
}  // namespace octet
