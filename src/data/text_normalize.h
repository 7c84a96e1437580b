#pragma once

#include <string>
#include <string_view>

namespace octet::data {

/// Normalization Form C (Unicode Standard Annex 15). Linear but for runs of combining marks, which
/// are sorted in O(n log n): no text makes it slow.
std::u32string compose(std::u32string_view text);

/// Lower case of each character by itself; only U+0130 becomes two.
std::u32string lower_each(std::u32string_view text);

/// Lower case in context, as Python's str.lower: like `lower_each`, but a capital sigma that ends a
/// word becomes the final one.
std::u32string lower_in_context(std::u32string_view text);

/// Without the white space around it; like Python's str.strip this includes U+001C to U+001F.
std::u32string_view strip(std::u32string_view text);

}  // namespace octet::data
