#include "tools/octet/logging.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace octet::cli {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
  }
  return spdlog::level::info;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = spdlog::stderr_color_mt("octet");
    made->set_pattern("octet: %^%l%$: %v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

}  // namespace

void install_logger(LogLevel level, ProgressBar& bar) {
  logger().set_level(spdlog_level(level));
  set_log_handler([&bar](LogLevel message_level, const std::string& message) {
    bar.clear();
    logger().log(spdlog_level(message_level), message);
  });
}

void log_error(const std::string& message) {
  logger().error(message);
}

}  // namespace octet::cli
