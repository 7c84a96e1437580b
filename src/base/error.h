#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace octet {

/// What kind of failure an `Error` is. The values are the program's exit codes.
enum class ErrorCode : int {
  failed = 1,              ///< the work itself failed (disk full, NaN in calibration, a bar missed)
  usage = 2,               ///< the caller asked for something that makes no sense
  bad_input = 3,           ///< a file or tensor from outside is not what it must be
  device_unavailable = 4,  ///< the requested backend is not on this machine
  interrupted = 130,       ///< SIGINT or SIGTERM
};

/// The one exception type of the library. `what()` is one sentence: what, where, what to do;
/// the contexts that `with_context` adds stand in front of it, outermost first.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

  /// The same error, its message prefixed with "context: ".
  [[nodiscard]] Error with_context(std::string_view context) const {
    return {code_, fmt::format("{}: {}", context, what())};
  }

 private:
  ErrorCode code_;
};

/// Throws `Error`; the message is formatted with fmt.
template <typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// `fail(ErrorCode::bad_input, ...)`, the commonest case: a file from outside is wrong.
template <typename... Args>
[[noreturn]] void fail_input(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::bad_input, fmt::format(format, std::forward<Args>(args)...));
}

/// Guards an invariant of our own code; kept in release builds. A broken one is our bug.
template <typename... Args>
void check(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) {
    throw std::logic_error("internal error: " + fmt::format(format, std::forward<Args>(args)...));
  }
}

/// Runs `body`; an `Error` that leaves it is thrown again with `context` in front.
template <typename Body>
decltype(auto) with_context(std::string_view context, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Error& error) {
    throw error.with_context(context);
  }
}

}  // namespace octet
