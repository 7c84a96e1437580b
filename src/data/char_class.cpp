#include "data/char_class.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace octet::data {
namespace {

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

struct Range {
  char32_t first;
  char32_t last;
};

/// Other_Lowercase and Other_Uppercase: cased characters that are not Lu, Ll or Lt.
constexpr std::array kOtherCased = {
    Range{0xAA, 0xAA},       Range{0xBA, 0xBA},       Range{0x2B0, 0x2B8},
    Range{0x2C0, 0x2C1},     Range{0x2E0, 0x2E4},     Range{0x345, 0x345},
    Range{0x37A, 0x37A},     Range{0x10FC, 0x10FC},   Range{0x1D2C, 0x1D6A},
    Range{0x1D78, 0x1D78},   Range{0x1D9B, 0x1DBF},   Range{0x2071, 0x2071},
    Range{0x207F, 0x207F},   Range{0x2090, 0x209C},   Range{0x2160, 0x217F},
    Range{0x24B6, 0x24E9},   Range{0x2C7C, 0x2C7D},   Range{0xA69C, 0xA69D},
    Range{0xA770, 0xA770},   Range{0xA7F2, 0xA7F4},   Range{0xA7F8, 0xA7F9},
    Range{0xAB5C, 0xAB5F},   Range{0xAB69, 0xAB69},   Range{0x10780, 0x10780},
    Range{0x10783, 0x10785}, Range{0x10787, 0x107B0}, Range{0x107B2, 0x107BA},
    Range{0x1E030, 0x1E06D}, Range{0x1F130, 0x1F149}, Range{0x1F150, 0x1F169},
    Range{0x1F170, 0x1F189},
};

/// Word_Break values MidLetter, MidNumLet and Single_Quote: case-ignorable by rule, not category.
constexpr std::array<char32_t, 17> kMidWord = {
    0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
    0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A,
};

}  // namespace

CharClass char_class(char32_t c) {
  if (is_white_space(c)) return CharClass::space;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::number;
    default:
      return CharClass::other;
  }
}

bool is_cased(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
      return true;
    default:
      return std::ranges::any_of(
          kOtherCased, [&](const Range& range) { return c >= range.first && c <= range.last; });
  }
}

bool is_case_ignorable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return std::ranges::find(kMidWord, c) != kMidWord.end();
  }
}

bool is_word_character(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return char_class(c) == CharClass::letter || is_cased(c);
  }
}

}  // namespace octet::data
