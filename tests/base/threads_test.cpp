#include "base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "tests/expect_error.h"

namespace octet {
namespace {

/// Restores the default, so that tests do not depend on their order.
class Threads : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_thread_count(GetParam()); }
  void TearDown() override { set_thread_count(0); }
};

TEST_P(Threads, CoverEachIndexOnce) {
  for (const int64_t count : {0, 1, 2, 7, 64, 1000, 4097}) {
    for (const int64_t grain : {1, 3, 64, 5000}) {
      std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
      parallel_for(count, grain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
      });
      for (const auto& visit : visits) ASSERT_EQ(visit, 1) << count << " by " << grain;
    }
  }
}

TEST_P(Threads, RangesAreMultiplesOfTheGrain) {
  parallel_for(1000, 64, [](int64_t begin, int64_t end) {
    EXPECT_LT(begin, end);
    EXPECT_EQ(begin % 64, 0);
    EXPECT_TRUE(end % 64 == 0 || end == 1000);
  });
}

TEST_P(Threads, NestedCallsCoverEverything) {
  std::atomic<int64_t> sum{0};
  parallel_for(10, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      parallel_for(100, 10, [&](int64_t from, int64_t to) { sum += to - from; });
    }
  });
  EXPECT_EQ(sum, 1000);
}

TEST_P(Threads, ExceptionsReachTheCaller) {
  const auto run = [] {
    parallel_for(100, 1, [](int64_t begin, int64_t end) {
      if (begin <= 50 && 50 < end) fail_input("item 50");
    });
  };
  test::expect_error(ErrorCode::bad_input, {"item 50"}, run);
  test::expect_error(ErrorCode::bad_input, {"item 50"}, run);  // and the next call works as before
}

INSTANTIATE_TEST_SUITE_P(Counts, Threads, ::testing::Values(1, 2, 3, 8));

TEST(ThreadCount, IsWhatWasSet) {
  set_thread_count(3);
  EXPECT_EQ(thread_count(), 3);
  set_thread_count(0);
  EXPECT_GE(thread_count(), 1);
  test::expect_error(ErrorCode::usage, {"-1"}, [] { set_thread_count(-1); });
}

TEST(ThreadCount, GrainMustBePositive) {
  const auto nothing = [](int64_t, int64_t) {};
  EXPECT_THROW(parallel_for(10, 0, nothing), std::logic_error);
}

}  // namespace
}  // namespace octet
