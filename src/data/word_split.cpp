#include "data/word_split.h"

#include <algorithm>
#include <array>

#include "data/char_class.h"

namespace octet::data {
namespace {

constexpr char32_t kLongS = 0x17F;
constexpr char32_t kCombiningIota = 0x345;
constexpr std::array<std::u32string_view, 7> kContractions = {U"'s", U"'t",  U"'re", U"'ve",
                                                              U"'m", U"'ll", U"'d"};

/// Case folding where it leads to an ASCII letter. The Kelvin sign needs none: lower case before
/// has made it a k.
char32_t fold(char32_t c) {
  if (c >= U'A' && c <= U'Z') return c - U'A' + U'a';
  return c == kLongS ? U's' : c;
}

}  // namespace

bool WordSplitter::starts_with(std::u32string_view expected) const {
  if (rest_.size() < expected.size()) return false;
  if (!pattern_.ignore_case) return rest_.starts_with(expected);
  return std::ranges::equal(rest_.substr(0, expected.size()), expected, {}, fold, fold);
}

size_t WordSplitter::special_length() const {
  for (const std::u32string& special : pattern_.specials) {
    if (starts_with(special)) return special.size();
  }
  return 0;
}

size_t WordSplitter::contraction_length() const {
  if (rest_.front() != U'\'') return 0;
  const auto* const found = std::ranges::find_if(
      kContractions, [&](std::u32string_view contraction) { return starts_with(contraction); });
  return found == kContractions.end() ? 0 : found->size();
}

size_t WordSplitter::word_length() const {
  if (const size_t length = special_length()) return length;
  if (const size_t length = contraction_length()) return length;
  const CharClass wanted = char_class(rest_.front());
  if (wanted == CharClass::number) return 1;
  const auto* const end = std::ranges::find_if(rest_, [&](char32_t c) {
    return char_class(c) != wanted || (pattern_.ignore_case && c == kCombiningIota);
  });
  return static_cast<size_t>(end - rest_.begin());
}

std::u32string_view WordSplitter::next() {
  const auto* const first = std::ranges::find_if_not(rest_, [&](char32_t c) {
    return char_class(c) == CharClass::space || (pattern_.ignore_case && c == kCombiningIota);
  });
  rest_.remove_prefix(static_cast<size_t>(first - rest_.begin()));
  if (rest_.empty()) return {};
  const std::u32string_view word = rest_.substr(0, word_length());
  rest_.remove_prefix(word.size());
  return word;
}

}  // namespace octet::data
