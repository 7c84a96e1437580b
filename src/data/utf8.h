#pragma once

#include <string>
#include <string_view>

namespace octet::data {

/// UTF-8 to code points. Every ill-formed stretch (the longest beginning of a sequence that could
/// still have become valid, else one byte) becomes one U+FFFD, as Python and Rust do it.
std::u32string decode_utf8(std::string_view text);

void append_utf8(char32_t code_point, std::string& out);

}  // namespace octet::data
