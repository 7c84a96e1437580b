#include "data/text_lines.h"

#include <algorithm>
#include <array>

namespace octet::data {
namespace {

constexpr std::array<std::string_view, 11> kLineEnds = {
    "\r\n", "\n",   "\r",       "\v",           "\f",           "\x1C",
    "\x1D", "\x1E", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9",
};

/// Length of the line end at the beginning of `text`, 0 when there is none.
size_t line_end_size(std::string_view text) {
  const auto found =
      std::ranges::find_if(kLineEnds, [&](std::string_view end) { return text.starts_with(end); });
  return found == kLineEnds.end() ? 0 : found->size();
}

}  // namespace

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = line_end_size(text.substr(at));
    if (end > 0) {
      lines.emplace_back(text.substr(begin, at - begin));
      begin = at + end;
    }
    at += std::max<size_t>(end, 1);
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

std::string_view strip(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace octet::data
