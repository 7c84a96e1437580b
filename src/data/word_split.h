#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace octet::data {

/// How CLIP's word pattern is applied:
///     specials | 's | 't | 're | 've | 'm | 'll | 'd | \p{L}+ | \p{N} | [^\s\p{L}\p{N}]+
struct WordPattern {
  /// As the `regex` module's IGNORECASE finds it: a long s (U+017F) counts as an s in specials and
  /// contractions, and U+0345, whose case variants are letters, belongs to no class.
  bool ignore_case = false;
  std::vector<std::u32string> specials;  ///< alternatives that stand before the others
};

/// The words of one text, left to right. Text and pattern must outlive it.
class WordSplitter {
 public:
  WordSplitter(std::u32string_view text, const WordPattern& pattern)
      : rest_(text), pattern_(pattern) {}

  /// The next word, a part of the text; empty at the end.
  std::u32string_view next();

 private:
  [[nodiscard]] size_t word_length() const;
  [[nodiscard]] size_t special_length() const;
  [[nodiscard]] size_t contraction_length() const;
  [[nodiscard]] bool starts_with(std::u32string_view expected) const;

  std::u32string_view rest_;
  const WordPattern& pattern_;
};

}  // namespace octet::data
