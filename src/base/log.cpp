#include "base/log.h"

namespace octet {
namespace {

LogHandler& handler() {
  static LogHandler instance;
  return instance;
}

}  // namespace

void set_log_handler(LogHandler new_handler) {
  handler() = std::move(new_handler);
}

void log_message(LogLevel level, const std::string& message) {
  if (handler()) handler()(level, message);
}

}  // namespace octet
