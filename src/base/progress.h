#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace octet {

/// Told by long work how far it is: what, items done, items in all (0 when unknown).
/// Called from one thread at a time. An empty function means nobody listens.
using Progress = std::function<void(std::string_view what, int64_t done, int64_t total)>;

inline void report(const Progress& progress, std::string_view what, int64_t done, int64_t total) {
  if (progress) progress(what, done, total);
}

/// Asks running work to stop; safe to call from a signal handler.
void request_interrupt() noexcept;

/// Throws `Error(interrupted)` after `request_interrupt()`. Long loops call it once an item.
void throw_if_interrupted();

}  // namespace octet
