#include "base/error.h"

#include <gtest/gtest.h>

#include "tests/expect_error.h"

namespace octet {
namespace {

using test::expect_error;

TEST(Error, ContextsStandInFront) {
  expect_error(ErrorCode::failed, {"a.bin: tensor 'x': 3 of 4"}, [] {
    with_context("a.bin", [] {
      with_context("tensor 'x'", [] { fail(ErrorCode::failed, "{} of {}", 3, 4); });
    });
  });
}

TEST(Error, ContextPassesValuesAndOtherExceptionsOn) {
  EXPECT_EQ(with_context("a.bin", [] { return 7; }), 7);
  const auto bug = [] { throw std::logic_error("bug"); };
  EXPECT_THROW(with_context("a.bin", bug), std::logic_error);
}

TEST(Error, CodesAreExitCodes) {
  EXPECT_EQ(static_cast<int>(ErrorCode::failed), 1);
  EXPECT_EQ(static_cast<int>(ErrorCode::usage), 2);
  EXPECT_EQ(static_cast<int>(ErrorCode::bad_input), 3);
  EXPECT_EQ(static_cast<int>(ErrorCode::device_unavailable), 4);
  EXPECT_EQ(static_cast<int>(ErrorCode::interrupted), 130);
}

TEST(Error, BrokenInvariantsAreNoErrorOfTheUser) {
  EXPECT_NO_THROW(check(true, "fine"));
  EXPECT_THROW(check(false, "broken {}", 1), std::logic_error);
}

}  // namespace
}  // namespace octet
