#include "data/text_normalize.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "data/char_class.h"

namespace octet::data {
namespace {

constexpr char32_t kCapitalSigma = 0x3A3;
constexpr char32_t kSigma = 0x3C3;
constexpr char32_t kFinalSigma = 0x3C2;
constexpr char32_t kCapitalDottedI = 0x130;
constexpr char32_t kCombiningDotAbove = 0x307;

using CodePoints = std::vector<utf8proc_int32_t>;

bool is_ascii(std::u32string_view text) {
  return std::ranges::all_of(text, [](char32_t c) { return c < 0x80; });
}

CodePoints decompose(std::u32string_view text) {
  constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
  constexpr int kLongest = 32;  // the longest canonical decomposition has 4 code points
  CodePoints out;
  out.reserve(text.size());
  std::array<utf8proc_int32_t, kLongest> parts{};
  int boundary = 0;
  for (const char32_t c : text) {
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(),
                                               kLongest, kOptions, &boundary);
    check(count >= 0 && count <= kLongest, "U+{:04X} does not decompose", static_cast<uint32_t>(c));
    out.insert(out.end(), parts.begin(), parts.begin() + count);
  }
  return out;
}

utf8proc_propval_t combining_class(utf8proc_int32_t c) {
  return utf8proc_get_property(c)->combining_class;
}

/// Canonical order. utf8proc's own ordering is quadratic in the length of a run of marks.
void order_marks(CodePoints& text) {
  const auto is_starter = [](utf8proc_int32_t c) { return combining_class(c) == 0; };
  for (auto begin = text.begin(); begin != text.end();) {
    begin = std::find_if_not(begin, text.end(), is_starter);
    const auto end = std::find_if(begin, text.end(), is_starter);
    std::ranges::stable_sort(begin, end, {}, combining_class);
    begin = end;
  }
}

void append_lower(char32_t c, std::u32string& out) {
  out.push_back(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  if (c == kCapitalDottedI) {
    out.back() = U'i';
    out.push_back(kCombiningDotAbove);
  }
}

/// Unicode's Final_Sigma: a cased letter before it and none after it, case-ignorable ones skipped.
bool ends_word(std::u32string_view text, size_t at) {
  const auto before = std::find_if_not(text.rend() - static_cast<std::ptrdiff_t>(at), text.rend(),
                                       is_case_ignorable);
  if (before == text.rend() || !is_cased(*before)) return false;
  const auto after = std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                                      text.end(), is_case_ignorable);
  return after == text.end() || !is_cased(*after);
}

bool is_python_space(char32_t c) {
  return char_class(c) == CharClass::space || (c >= 0x1C && c <= 0x1F);
}

}  // namespace

std::u32string compose(std::u32string_view text) {
  if (is_ascii(text)) return std::u32string(text);
  CodePoints points = decompose(text);
  order_marks(points);
  const auto length =
      utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  check(length >= 0, "utf8proc cannot compose");
  return {points.begin(), points.begin() + length};
}

std::u32string lower_each(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_lower(c, out);
  return out;
}

std::u32string lower_in_context(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == kCapitalSigma) {
      out.push_back(ends_word(text, at) ? kFinalSigma : kSigma);
    } else {
      append_lower(text[at], out);
    }
  }
  return out;
}

std::u32string_view strip(std::u32string_view text) {
  const auto first = std::ranges::find_if_not(text, is_python_space);
  const auto last = std::find_if_not(text.rbegin(), text.rend(), is_python_space).base();
  return first < last ? std::u32string_view(first, last) : std::u32string_view();
}

}  // namespace octet::data
