#include "tools/octet/progress.h"

#include <gtest/gtest.h>

namespace octet::cli {
namespace {

using Seconds = std::chrono::duration<double>;

TEST(ProgressLine, ShowsBarSpeedAndTimeLeft) {
  EXPECT_EQ(progress_line("calibrate", 64, 256, Seconds(16), 120),
            "calibrate  [======>                 ]  64/256  4.0/s  ETA 0:48");
}

TEST(ProgressLine, FullBarHasNoTimeLeft) {
  EXPECT_EQ(progress_line("eval", 10, 10, Seconds(5), 120),
            "eval  [========================]  10/10  2.0/s");
}

TEST(ProgressLine, UnknownTotalShowsCounts) {
  EXPECT_EQ(progress_line("read", 30, 0, Seconds(10), 120), "read  30  3.0/s");
}

TEST(ProgressLine, NothingDoneYetPromisesNothing) {
  EXPECT_EQ(progress_line("read", 0, 5, Seconds(0), 120), "read  [>                       ]  0/5");
}

TEST(ProgressLine, HoursAreSpelledOut) {
  EXPECT_TRUE(progress_line("x", 1, 3662, Seconds(1), 120).ends_with("ETA 1:01:01"));
}

TEST(ProgressLine, StaysBelowTheTerminalsWidth) {
  EXPECT_EQ(progress_line("a long description", 1, 2, Seconds(1), 12), "a long desc");
  EXPECT_EQ(progress_line("x", 1, 2, Seconds(1), 0), "");
}

}  // namespace
}  // namespace octet::cli
