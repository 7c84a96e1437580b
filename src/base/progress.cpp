#include "base/progress.h"

#include <atomic>

#include "base/error.h"

namespace octet {
namespace {

// A signal handler may touch neither a function-local static nor a lock.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

}  // namespace

void request_interrupt() noexcept {
  interrupted.store(true, std::memory_order_relaxed);
}

void throw_if_interrupted() {
  if (interrupted.load(std::memory_order_relaxed)) {
    fail(ErrorCode::interrupted, "interrupted; every file that was written is whole");
  }
}

}  // namespace octet
