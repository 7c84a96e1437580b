#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace octet::data {

/// Lines without their ends, cut where Python's `str.splitlines` cuts: CR, LF and CR LF, vertical
/// tab, form feed, the separators U+001C to U+001E, U+0085, U+2028 and U+2029 (in UTF-8).
std::vector<std::string> split_lines(std::string_view text);

/// Without ASCII white space at both ends.
std::string_view strip(std::string_view text);

}  // namespace octet::data
