#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>

namespace octet {
namespace {

Hash128 hash(const std::string& text) {
  return hash128(std::as_bytes(std::span(text)));
}

TEST(Hash, IsXxh3OfSeedZero) {
  // The published value for empty input.
  const Hash128 empty = hash("");
  EXPECT_EQ(empty.high, 0x99AA06D3014798D8U);
  EXPECT_EQ(empty.low, 0x6001C324468D497FU);
}

TEST(Hash, SeesEveryBit) {
  std::string text(1000, 'a');
  const Hash128 before = hash(text);
  for (size_t i = 0; i < text.size(); i += 37) {
    text[i] ^= 1;
    EXPECT_NE(hash(text), before) << i;
    text[i] ^= 1;
  }
  EXPECT_EQ(hash(text), before);
}

}  // namespace
}  // namespace octet
