#include "quant/calibrator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "quant/e4m3_grid.h"
#include "tests/expect_error.h"
#include "tests/quant/samples.h"

namespace octet::quant {
namespace {

using octet::test::expect_error;
using test::draw;
using test::kShapes;

constexpr size_t kCounts[] = {1, 7, 100, 5000};
constexpr uint32_t kSeeds = 12;
constexpr Calibrator kAll[] = {{CalibrationMethod::max, 100},
                               {CalibrationMethod::percentile, 99.0},
                               {CalibrationMethod::entropy, 100},
                               {CalibrationMethod::mse, 100}};

Distribution distribution_of(std::span<const float> values) {
  Histogram histogram;
  histogram.add(values);
  return histogram.distribution();
}

float largest_of(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

/// Squared error of E4M3 with the stored scale of `amax`, value by value.
double squared_error(std::span<const float> values, float amax) {
  const float scale = stored_scale(amax);
  double sum = 0;
  for (const float value : values) {
    const double back = double{e4m3_to_f32(quantize_e4m3(value, scale))} * scale;
    sum += (value - back) * (value - back);
  }
  return sum;
}

template <typename Body>
void for_all_samples(Body body) {
  for (const test::Shape shape : kShapes) {
    for (const size_t count : kCounts) {
      for (uint32_t seed = 0; seed < kSeeds; ++seed) body(draw(shape, count, seed));
    }
  }
}

TEST(Calibrator, MaxIsTheLargestMagnitude) {
  for_all_samples([](const std::vector<float>& values) {
    EXPECT_EQ(solve_max(distribution_of(values)), largest_of(values));
  });
}

TEST(Calibrator, MseIsNeverWorseThanMax) {
  constexpr double kRounding = 1 + 1e-6;  // of the FP32 division that finds a code
  int better = 0;
  for_all_samples([&](const std::vector<float>& values) {
    const float amax = solve_mse(distribution_of(values));
    const double of_max = squared_error(values, largest_of(values));
    const double of_mse = squared_error(values, amax);
    EXPECT_LE(of_mse, of_max * kRounding) << "amax " << amax;
    better += int{of_mse < 0.99 * of_max};
  });
  EXPECT_GT(better, 50);
}

TEST(Calibrator, MseIsNearTheBestOfAFineScan) {
  constexpr double kSteps = 1.05;  // between ranges that are tried
  constexpr int kTried = 1732;     // from twice the largest value to a sixteenth of it
  // Not where one outlier makes most of the error: then luck with its own rounding decides.
  for (const test::Shape shape :
       {test::Shape::gaussian, test::Shape::skewed, test::Shape::sparse}) {
    const auto values = draw(shape, 5000, 2);
    double best = squared_error(values, largest_of(values));
    for (int i = 0; i < kTried; ++i) {
      const auto amax = static_cast<float>(largest_of(values) * std::exp2(1 - 5.0 * i / kTried));
      best = std::min(best, squared_error(values, amax));
    }
    EXPECT_LE(squared_error(values, solve_mse(distribution_of(values))), best * kSteps);
  }
}

TEST(Calibrator, ErrorBoundsHoldTheTrueError) {
  for_all_samples([](const std::vector<float>& values) {
    const Distribution seen = distribution_of(values);
    const E4m3Error error(seen);
    for (const float factor : {2.0F, 1.0F, 0.7F, 0.3F, 0.05F}) {
      const float amax = largest_of(values) * factor;
      const double truth = squared_error(values, amax);
      const ErrorBounds bounds = error.at(stored_scale(amax));
      EXPECT_LE(bounds.lower, truth * (1 + 1e-6) + 1e-18);
      EXPECT_GE(bounds.upper, truth * (1 - 1e-6) - 1e-18);
    }
  });
}

TEST(Calibrator, EntropyCutsALoneOutlierAndKeepsAGaussian) {
  const auto gaussian = draw(test::Shape::gaussian, 200000, 1);
  EXPECT_GT(solve_entropy(distribution_of(gaussian)), 0.5F * largest_of(gaussian));
  auto outlier = draw(test::Shape::gaussian, 200000, 1);
  outlier[0] = 20000.0F;  // puts much of the rest below the smallest normal code
  const float amax = solve_entropy(distribution_of(outlier));
  EXPECT_LT(amax, 0.6F * 20000.0F);
  EXPECT_GT(amax, largest_of(gaussian));
}

TEST(Calibrator, PercentileOfEvenlySpreadValues) {
  std::vector<float> values(10000);
  std::iota(values.begin(), values.end(), 1.0F);
  const Distribution seen = distribution_of(values);
  constexpr double kBin = 1.0 / 512;
  for (const double percentile : {1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99}) {
    const double truth = percentile * 100;
    const double found = solve_percentile(seen, percentile);
    EXPECT_GE(found, truth);
    EXPECT_LE(found, truth * (1 + kBin) + 1);
  }
  EXPECT_EQ(solve_percentile(seen, 100), 10000.0F);
}

TEST(Calibrator, PercentileCountsZeros) {
  std::vector<float> values(1000, 0.0F);
  for (size_t i = 0; i < 100; ++i) values[i] = static_cast<float>(i + 1);
  EXPECT_NEAR(solve_percentile(distribution_of(values), 95.0), 50.0, 0.2);
}

TEST(Calibrator, PercentileNeverExceedsTheLargest) {
  for_all_samples([](const std::vector<float>& values) {
    const Distribution seen = distribution_of(values);
    float last = 0;
    for (const double percentile : {10.0, 50.0, 99.0, 99.99, 100.0}) {
      const float amax = solve_percentile(seen, percentile);
      EXPECT_LE(amax, largest_of(values));
      EXPECT_GE(amax, last);
      last = amax;
    }
    EXPECT_EQ(last, largest_of(values));
  });
}

TEST(Calibrator, OrderAndBatchesMakeNoDifference) {
  for (const test::Shape shape : kShapes) {
    const auto values = draw(shape, 4000, 3);
    const Distribution whole = distribution_of(values);
    auto shuffled = values;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(9));
    Histogram pieces;
    for (size_t begin = 0; begin < shuffled.size(); begin += 37) {
      Histogram piece;
      piece.add(std::span(shuffled).subspan(begin, std::min<size_t>(37, shuffled.size() - begin)));
      pieces.merge(piece);
    }
    for (const Calibrator& calibrator : kAll) {
      EXPECT_EQ(solve_amax(calibrator, whole), solve_amax(calibrator, pieces.distribution()))
          << to_string(calibrator);
    }
  }
}

TEST(Calibrator, NothingButZeros) {
  const std::vector<float> zeros(50, 0.0F);
  for (const Calibrator& calibrator : kAll) {
    EXPECT_EQ(solve_amax(calibrator, distribution_of(zeros)), 0.0F) << to_string(calibrator);
  }
  EXPECT_EQ(stored_scale(0.0F), stored_scale(1.0F));
}

TEST(Calibrator, StoredScalesAreTheNextFp16Value) {
  for (const float amax : {1.0F, 448.0F, 0.37F, 1e-4F, 20000.0F}) {
    const float scale = stored_scale(amax);
    EXPECT_EQ(f16_to_f32(f32_to_f16(scale)), scale);
    EXPECT_GE(scale, amax / 448.0F);
    EXPECT_LE(scale, amax / 448.0F * (1 + 1.0F / 512) + 0x1p-24F);
  }
}

TEST(Calibrator, NamesAreParsed) {
  EXPECT_EQ(parse_calibrator("mse"), (Calibrator{CalibrationMethod::mse, 99.99}));
  EXPECT_EQ(parse_calibrator("percentile:99.5"), (Calibrator{CalibrationMethod::percentile, 99.5}));
  EXPECT_EQ(to_string(parse_calibrator("percentile:99.5")), "percentile:99.5");
  EXPECT_EQ(to_string(parse_calibrator("entropy")), "entropy");
  for (const char* wrong :
       {"histogram", "percentile:0", "percentile:101", "percentile:x", "max:3"}) {
    expect_error(ErrorCode::usage, {}, [&] { static_cast<void>(parse_calibrator(wrong)); });
  }
}

TEST(Histogram, KeepsExactMoments) {
  const std::vector<float> values{1.0F, 1.0001F, -1.0002F, 3.5F, 0.0F, -0.0F, 1e-20F};
  const Distribution seen = distribution_of(values);
  EXPECT_EQ(seen.zeros, 3);
  EXPECT_EQ(seen.largest, 3.5F);
  double count = 0;
  double sum = 0;
  double squares = 0;
  for (const Bin& bin : seen.bins) {
    EXPECT_GE(bin.mean(), bin.lower);
    EXPECT_LT(bin.mean(), bin.upper);
    count += bin.count;
    sum += bin.sum;
    squares += bin.squares;
  }
  EXPECT_EQ(count, 4);
  EXPECT_NEAR(sum, 1.0 + double{1.0001F} + double{1.0002F} + 3.5, 1e-12);
  EXPECT_NEAR(squares, 1.0 + double{1.0001F} * 1.0001F + double{1.0002F} * 1.0002F + 12.25, 1e-12);
}

TEST(LargestMagnitude, SeesNanAndInfinity) {
  std::vector<float> values(1000, -2.0F);
  EXPECT_EQ(largest_magnitude_bits(values), std::bit_cast<uint32_t>(2.0F));
  for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
    values[777] = bad;
    EXPECT_GE(largest_magnitude_bits(values), kInfinityBits);
  }
}

}  // namespace
}  // namespace octet::quant
