#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace octet::cli {

/// One line on stderr that shows how far long work is: a bar, counts and the time left. Draws only
/// when stderr is a terminal, and at most ten times a second. Thread-safe.
class ProgressBar {
 public:
  using Clock = std::chrono::steady_clock;

  ProgressBar();
  explicit ProgressBar(bool enabled) : enabled_(enabled) {}
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();

  /// Has the signature of octet::Progress.
  void update(std::string_view what, int64_t done, int64_t total);
  /// Removes the line, so that something else can be printed.
  void clear();

 private:
  bool enabled_;
  std::mutex mutex_;
  bool drawn_ = false;
  std::string what_;
  Clock::time_point began_;
  Clock::time_point last_drawn_;
};

/// The line itself, at most `width` columns: "quantize  [=====>    ]  128/256  12.5/s  ETA 0:10".
/// `total` 0 means unknown: counts and speed only.
std::string progress_line(std::string_view what, int64_t done, int64_t total,
                          std::chrono::duration<double> elapsed, int width);

}  // namespace octet::cli
