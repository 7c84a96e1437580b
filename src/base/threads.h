#pragma once

#include <cstdint>
#include <functional>

namespace octet {

/// Threads that `parallel_for` uses: the last `set_thread_count`, else the knob OCTET_THREADS,
/// else the number of cores.
int thread_count();
/// 0 means one per core. Not while parallel work runs.
void set_thread_count(int count);

/// Calls `body(begin, end)` on disjoint ranges that cover [0, count); returns when all are done.
/// Ranges are multiples of `grain` (the last may be shorter). A body must not depend on how the
/// range is cut, so results never depend on the number of threads. Nested calls run inline.
void parallel_for(int64_t count, int64_t grain,
                  const std::function<void(int64_t begin, int64_t end)>& body);

}  // namespace octet
