#pragma once

#include <cstdint>

namespace octet::data {

/// The classes that CLIP's word pattern knows: \p{L}, \p{N}, \s (White_Space), the rest.
/// Categories are those of utf8proc's Unicode version.
enum class CharClass : uint8_t { letter, number, space, other };

CharClass char_class(char32_t c);

/// Unicode's Cased and Case_Ignorable, which decide where a capital sigma ends a word.
bool is_cased(char32_t c);
bool is_case_ignorable(char32_t c);

/// \w: letters, marks, digits, connectors.
bool is_word_character(char32_t c);

}  // namespace octet::data
