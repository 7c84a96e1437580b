#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace octet::data {

/// Two symbols that become one.
using Merge = std::pair<std::string, std::string>;
using TokenIds = std::unordered_map<std::string, int64_t>;

/// Marks the last symbol of a word.
constexpr std::string_view kWordEnd = "</w>";

/// The visible characters that stand for bytes in token texts, in the order of their ids: printable
/// ASCII and Latin-1 stand for themselves, U+0100 and on for the other bytes in turn.
struct ByteCharacter {
  uint8_t byte;
  char32_t character;
};
const std::array<ByteCharacter, 256>& byte_alphabet();

/// Byte-pair encoding of single words: bytes, the last one marked, merged by rank. Immutable, so
/// safe from several threads.
class Bpe {
 public:
  /// `merges` stand in the order of their ranks. `unknown` is the id for bytes without a token;
  /// without it they are dropped. Throws `Error(bad_input)` when a merge needs a token that
  /// `tokens` lacks.
  Bpe(const TokenIds& tokens, std::span<const Merge> merges, std::optional<int64_t> unknown);

  /// Appends the ids of one word. O(n log n): the lowest rank first, equal ranks left to right.
  /// Merges alone decide: tokens that no merge reaches never come out, as in the references.
  void encode(std::string_view word, std::vector<int64_t>& ids) const;

 private:
  struct Rule {
    int32_t rank;
    int32_t id;
  };
  struct Symbol;
  class Merger;

  [[nodiscard]] const Rule* find_rule(int32_t left, int32_t right) const;
  [[nodiscard]] std::vector<Symbol> symbols_of(std::string_view word) const;

  std::array<int32_t, 256> inner_;  ///< byte -> id, -1 without a token
  std::array<int32_t, 256> last_;   ///< the same for a word's last byte
  std::unordered_map<uint64_t, Rule> rules_;
};

}  // namespace octet::data
