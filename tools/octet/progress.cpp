#include "tools/octet/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace octet::cli {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr int kBarWidth = 24;
constexpr int kDefaultWidth = 80;

int terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefaultWidth;
  return size.ws_col;
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  if (whole >= 3600) {
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string bar_text(int64_t done, int64_t total) {
  const auto filled = static_cast<size_t>(kBarWidth * std::clamp<int64_t>(done, 0, total) / total);
  std::string bar(kBarWidth, ' ');
  std::fill_n(bar.begin(), filled, '=');
  if (filled < bar.size()) bar[filled] = '>';
  return "[" + bar + "]";
}

}  // namespace

std::string progress_line(std::string_view what, int64_t done, int64_t total,
                          std::chrono::duration<double> elapsed, int width) {
  const double speed = elapsed.count() > 0 ? static_cast<double>(done) / elapsed.count() : 0;
  std::string line(what);
  if (total > 0) {
    line += fmt::format("  {}  {}/{}", bar_text(done, total), done, total);
  } else {
    line += fmt::format("  {}", done);
  }
  if (speed > 0) line += fmt::format("  {:.1f}/s", speed);
  if (speed > 0 && done < total) {
    line += "  ETA " + clock_text(static_cast<double>(total - done) / speed);
  }
  return line.substr(0, static_cast<size_t>(std::max(width - 1, 0)));
}

ProgressBar::ProgressBar() : ProgressBar(::isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::update(std::string_view what, int64_t done, int64_t total) {
  if (!enabled_) return;
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (what != what_) {
    what_ = what;
    began_ = now;
  } else if (now - last_drawn_ < kRedraw) {
    return;
  }
  last_drawn_ = now;
  const std::string line = progress_line(what, done, total, now - began_, terminal_width());
  std::fputs(("\r\033[K" + line).c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressBar::clear() {
  const std::lock_guard lock(mutex_);
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace octet::cli
