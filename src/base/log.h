#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <utility>

namespace octet {

enum class LogLevel { debug, info, warning };

using LogHandler = std::function<void(LogLevel, const std::string&)>;

/// Where the library's notices go. The library itself never prints: without a handler they are
/// dropped. Set once at start, before other threads run.
void set_log_handler(LogHandler handler);

void log_message(LogLevel level, const std::string& message);

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::debug, fmt::format(format, std::forward<Args>(args)...));
}

/// Something the user should know though nothing is wrong.
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::warning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace octet
