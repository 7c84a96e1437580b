#include "base/progress.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"

namespace octet {
namespace {

TEST(Progress, ReportsToWhoListens) {
  int64_t told = 0;
  report([&](std::string_view, int64_t done, int64_t) { told = done; }, "work", 3, 4);
  EXPECT_EQ(told, 3);
  EXPECT_NO_THROW(report({}, "work", 4, 4));
}

/// Ends the process with the exit code of the error. An interrupt cannot be taken back, so the
/// test runs in a process of its own.
[[noreturn]] void work_until_interrupted() {
  throw_if_interrupted();
  request_interrupt();
  try {
    throw_if_interrupted();
  } catch (const Error& error) {
    std::_Exit(static_cast<int>(error.code()));
  }
  std::_Exit(0);
}

TEST(Progress, InterruptStopsTheWork) {
  EXPECT_EXIT(work_until_interrupted(), ::testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace octet
