#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octet::data {

/// Finds added tokens in a text: the leftmost, and of those that begin there the longest.
class AddedTokens {
 public:
  struct Match {
    size_t begin;
    size_t end;
    int64_t id;
  };

  void add(std::u32string text, int64_t id, bool single_word);

  /// The first match at or after `from`.
  [[nodiscard]] std::optional<Match> find(std::u32string_view text, size_t from) const;

 private:
  struct Entry {
    std::u32string text;
    int64_t id;
    bool single_word;
  };

  [[nodiscard]] const Entry* longest_at(std::u32string_view text, size_t at) const;

  std::vector<Entry> entries_;  ///< longest first
  std::u32string first_characters_;
};

}  // namespace octet::data
