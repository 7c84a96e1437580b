#include "base/log.h"

#include <gtest/gtest.h>

#include <vector>

namespace octet {
namespace {

TEST(Log, GoesToTheHandlerAndNowhereElse) {
  std::vector<std::pair<LogLevel, std::string>> lines;
  set_log_handler(
      [&](LogLevel level, const std::string& text) { lines.emplace_back(level, text); });
  log_warning("tensor '{}' is {}", "x", 3);
  log_debug("detail");
  set_log_handler({});
  log_info("nobody listens");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].first, LogLevel::warning);
  EXPECT_EQ(lines[0].second, "tensor 'x' is 3");
}

}  // namespace
}  // namespace octet
