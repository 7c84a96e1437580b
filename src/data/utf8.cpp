#include "data/utf8.h"

#include <cstdint>

namespace octet::data {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

/// What may follow a lead byte: how many bytes, and the range of the first of them. The narrowed
/// ranges shut out overlong forms, surrogates and everything above U+10FFFF.
struct Lead {
  int following = -1;  ///< -1: no lead byte
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
  char32_t bits = 0;
};

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {.following = 0, .bits = byte};
  if (byte < 0xC2 || byte > 0xF4) return {};
  if (byte < 0xE0) return {.following = 1, .bits = byte & 0x1Fu};
  Lead lead{.following = byte < 0xF0 ? 2 : 3, .bits = byte & (byte < 0xF0 ? 0x0Fu : 0x07u)};
  if (byte == 0xE0) lead.low = 0xA0;
  if (byte == 0xED) lead.high = 0x9F;
  if (byte == 0xF0) lead.low = 0x90;
  if (byte == 0xF4) lead.high = 0x8F;
  return lead;
}

/// Reads one code point at `at` and moves past it.
char32_t next_code_point(std::string_view text, size_t& at) {
  Lead lead = lead_of(static_cast<uint8_t>(text[at++]));
  if (lead.following < 0) return kReplacement;
  for (; lead.following > 0; --lead.following, ++at) {
    if (at == text.size()) return kReplacement;
    const auto byte = static_cast<uint8_t>(text[at]);
    if (byte < lead.low || byte > lead.high) return kReplacement;
    lead.bits = lead.bits << 6 | (byte & 0x3Fu);
    lead.low = 0x80;
    lead.high = 0xBF;
  }
  return lead.bits;
}

}  // namespace

std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) out.push_back(next_code_point(text, at));
  return out;
}

void append_utf8(char32_t code_point, std::string& out) {
  const auto tail = [&](unsigned shift) {
    out.push_back(static_cast<char>(0x80u | (code_point >> shift & 0x3Fu)));
  };
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xC0u | code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xE0u | code_point >> 12));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0u | code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace octet::data
