#pragma once

#include <string>
#include <string_view>

namespace octet::data {

/// Replaces HTML5 character references ("&eacute;", "&#233;", "&#xE9;") once, as Python's
/// html.unescape does: names the standard lists without a semicolon are found as the longest
/// beginning of what stands there; an invalid number becomes U+FFFD or nothing.
std::u32string unescape_html(std::u32string_view text);

}  // namespace octet::data
