#include "base/threads.h"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/knob.h"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace octet {
namespace {

int default_threads() {
  const std::string text = knob("OCTET_THREADS");
  int count = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || count < 0) {
    fail(ErrorCode::usage, "OCTET_THREADS must be a number from 0, not '{}'", text);
  }
  return count;
}

int core_count() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

struct Pool {
  explicit Pool(int count)
      : limit(tbb::global_control::max_allowed_parallelism,
              static_cast<size_t>(std::max(count, core_count()))),
        arena(count) {}

  /// Without it TBB makes no more threads than cores, and says so on stderr.
  tbb::global_control limit;
  tbb::task_arena arena;
};

std::unique_ptr<Pool> make_pool(int count) {
  return std::make_unique<Pool>(count > 0 ? count : core_count());
}

std::unique_ptr<Pool>& pool() {
  static std::unique_ptr<Pool> instance = make_pool(default_threads());
  return instance;
}

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): one flag per thread
thread_local bool inside_parallel = false;

/// Tells ThreadSanitizer that work is handed to the pool's threads and back. It cannot see that
/// itself, as distributions build oneTBB without it. Costs nothing in other builds.
class HandOver {
 public:
  HandOver() { release(&begin_); }
  HandOver(const HandOver&) = delete;
  HandOver& operator=(const HandOver&) = delete;
  ~HandOver() { acquire(&end_); }

  void begin_part() { acquire(&begin_); }
  void end_part() { release(&end_); }

 private:
#ifdef __SANITIZE_THREAD__
  static void acquire(char* place) {
    __tsan_acquire(place);
  }
  static void release(char* place) {
    __tsan_release(place);
  }
#else
  static void acquire(char* /*place*/) {}
  static void release(char* /*place*/) {}
#endif
  char begin_ = 0;
  char end_ = 0;
};

}  // namespace

int thread_count() {
  return pool()->arena.max_concurrency();
}

void set_thread_count(int count) {
  if (count < 0) fail(ErrorCode::usage, "the number of threads must be 0 or more, not {}", count);
  pool().reset();  // the lowest of several limits would count
  pool() = make_pool(count);
}

void parallel_for(int64_t count, int64_t grain,
                  const std::function<void(int64_t begin, int64_t end)>& body) {
  check(grain > 0, "a grain of {}", grain);
  if (count <= 0) return;
  const int64_t chunks = (count + grain - 1) / grain;
  const int64_t parts = std::min<int64_t>(chunks, thread_count());
  if (parts <= 1 || inside_parallel) {
    body(0, count);
    return;
  }
  HandOver hand_over;
  const auto run_part = [&](int64_t part) {
    hand_over.begin_part();
    const int64_t begin = chunks * part / parts * grain;
    const int64_t end = std::min(count, chunks * (part + 1) / parts * grain);
    inside_parallel = true;
    try {
      body(begin, end);
    } catch (...) {
      inside_parallel = false;
      hand_over.end_part();
      throw;
    }
    inside_parallel = false;
    hand_over.end_part();
  };
  pool()->arena.execute([&] {
    tbb::parallel_for(
        tbb::blocked_range<int64_t>(0, parts, 1),
        [&](const tbb::blocked_range<int64_t>& range) {
          for (int64_t part = range.begin(); part != range.end(); ++part) run_part(part);
        },
        tbb::static_partitioner());
  });
}

}  // namespace octet
