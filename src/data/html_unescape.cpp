#include "data/html_unescape.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

namespace octet::data {
namespace {

struct Entity {
  std::string_view name;  ///< without the ampersand; with the semicolon where it has one
  std::array<char32_t, 2> text;
};

// clang-format off
constexpr Entity kEntities[] = {
#include "data/html_entities.inc"
};
// clang-format on
static_assert(std::ranges::is_sorted(kEntities, {}, &Entity::name));

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kLastCodePoint = 0x10FFFF;
/// Longest name that is looked at, the semicolon not counted.
constexpr size_t kLongestName = 32;

/// What the numbers 0x80 to 0x9F mean in a reference: Windows-1252, where it has a character.
constexpr std::array<char32_t, 32> kWindows1252 = {
    0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178,
};

/// Control characters and noncharacters, which a reference cannot make.
bool is_forbidden(char32_t c) {
  return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
         (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE;
}

void append_number(char32_t number, std::u32string& out) {
  if (number >= 0x80 && number <= 0x9F) {
    out.push_back(kWindows1252[number - 0x80]);
  } else if (number == 0 || (number >= 0xD800 && number <= 0xDFFF) || number > kLastCodePoint) {
    out.push_back(kReplacement);
  } else if (!is_forbidden(number)) {
    out.push_back(number);
  }
}

/// The value of a digit, or `base` for what is none.
char32_t digit_value(char32_t c, char32_t base) {
  char32_t value = base;
  if (c >= U'0' && c <= U'9') value = c - U'0';
  if (c >= U'a' && c <= U'f') value = c - U'a' + 10;
  if (c >= U'A' && c <= U'F') value = c - U'A' + 10;
  return std::min(value, base);
}

/// "#233;", "#xE9" at the beginning of `text`: appends what it means; the length, 0 for none.
size_t read_number(std::u32string_view text, std::u32string& out) {
  size_t at = 1;
  char32_t base = 10;
  if (at < text.size() && (text[at] == U'x' || text[at] == U'X')) {
    base = 16;
    ++at;
  }
  const size_t first = at;
  char32_t number = 0;
  for (; at < text.size() && digit_value(text[at], base) < base; ++at) {
    number = std::min(number * base + digit_value(text[at], base), kLastCodePoint + 1);
  }
  if (at == first) return 0;
  append_number(number, out);
  return at < text.size() && text[at] == U';' ? at + 1 : at;
}

const Entity* find_entity(std::string_view name) {
  const auto* const found = std::ranges::lower_bound(kEntities, name, {}, &Entity::name);
  return found != std::end(kEntities) && found->name == name ? found : nullptr;
}

/// The stretch after an ampersand that could be a name, its semicolon included.
size_t name_length(std::u32string_view text) {
  const size_t stop = text.substr(0, kLongestName).find_first_of(U"\t\n\f <&#;");
  const size_t length = stop == text.npos ? std::min(text.size(), kLongestName) : stop;
  return length > 0 && length < text.size() && text[length] == U';' ? length + 1 : length;
}

/// A name at the beginning of `text`: appends its text and what follows the longest known name.
/// The length of the stretch, 0 when no name is there.
size_t read_name(std::u32string_view text, std::u32string& out) {
  const size_t length = name_length(text);
  std::string name;
  for (const char32_t c : text.substr(0, length)) {
    if (c >= 0x80) break;  // no name has such a character
    name.push_back(static_cast<char>(c));
  }
  for (; name.size() > 1; name.pop_back()) {
    const Entity* const entity = find_entity(name);
    if (entity == nullptr) continue;
    out.push_back(entity->text[0]);
    if (entity->text[1] != 0) out.push_back(entity->text[1]);
    out.append(text.substr(name.size(), length - name.size()));
    return length;
  }
  return 0;
}

}  // namespace

std::u32string unescape_html(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const char32_t c = text[at++];
    size_t length = 0;
    if (c == U'&' && at < text.size()) {
      const std::u32string_view rest = text.substr(at);
      length = rest[0] == U'#' ? read_number(rest, out) : read_name(rest, out);
    }
    if (length == 0) out.push_back(c);
    at += length;
  }
  return out;
}

}  // namespace octet::data
