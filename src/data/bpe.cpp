#include "data/bpe.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <tuple>

#include "base/error.h"
#include "data/utf8.h"

namespace octet::data {
namespace {

constexpr int32_t kNone = -1;

std::array<ByteCharacter, 256> make_byte_alphabet() {
  const auto printable = [](int byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
  };
  std::array<ByteCharacter, 256> alphabet{};
  size_t at = 0;
  for (int byte = 0; byte < 256; ++byte) {
    if (printable(byte)) {
      alphabet[at++] = {static_cast<uint8_t>(byte), static_cast<char32_t>(byte)};
    }
  }
  char32_t character = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    if (!printable(byte)) alphabet[at++] = {static_cast<uint8_t>(byte), character++};
  }
  return alphabet;
}

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

int32_t narrow_id(int64_t id) {
  if (id < 0 || id > std::numeric_limits<int32_t>::max()) fail_input("token id {} is absurd", id);
  return static_cast<int32_t>(id);
}

int32_t find_id(const TokenIds& tokens, const std::string& token, int32_t fallback) {
  const auto found = tokens.find(token);
  return found == tokens.end() ? fallback : narrow_id(found->second);
}

int32_t merge_id(const TokenIds& tokens, const std::string& token, const Merge& merge) {
  const auto found = tokens.find(token);
  if (found == tokens.end()) {
    fail_input("merge '{} {}' needs token '{}', which the vocabulary lacks", merge.first,
               merge.second, token);
  }
  return narrow_id(found->second);
}

}  // namespace

const std::array<ByteCharacter, 256>& byte_alphabet() {
  static const std::array<ByteCharacter, 256> alphabet = make_byte_alphabet();
  return alphabet;
}

/// A link of a word's chain of symbols.
struct Bpe::Symbol {
  int32_t id;
  int32_t previous;
  int32_t next;
};

/// Merges one word's symbols in place.
class Bpe::Merger {
 public:
  Merger(const Bpe& bpe, std::vector<Symbol>& symbols) : bpe_(bpe), symbols_(symbols) {
    for (int32_t at = 0; at + 1 < static_cast<int32_t>(symbols.size()); ++at) offer(at);
  }

  void run() {
    while (!candidates_.empty()) {
      const Candidate candidate = candidates_.top();
      candidates_.pop();
      const Rule* const rule = rule_at(candidate.at);
      // Neighbours may have been merged since the candidate was noted.
      if (rule != nullptr && rule->rank == candidate.rank) merge(candidate.at, rule->id);
    }
  }

 private:
  struct Candidate {
    int32_t rank;
    int32_t at;
    friend bool operator>(const Candidate& a, const Candidate& b) {
      return std::tie(a.rank, a.at) > std::tie(b.rank, b.at);
    }
  };

  [[nodiscard]] const Rule* rule_at(int32_t at) const {
    const Symbol& left = symbols_[static_cast<size_t>(at)];
    if (left.id == kNone || left.next == kNone) return nullptr;
    return bpe_.find_rule(left.id, symbols_[static_cast<size_t>(left.next)].id);
  }

  void offer(int32_t at) {
    if (const Rule* const rule = rule_at(at)) candidates_.push({rule->rank, at});
  }

  void merge(int32_t at, int32_t id) {
    Symbol& left = symbols_[static_cast<size_t>(at)];
    Symbol& right = symbols_[static_cast<size_t>(left.next)];
    left.id = id;
    left.next = right.next;
    right.id = kNone;
    if (left.next != kNone) symbols_[static_cast<size_t>(left.next)].previous = at;
    if (left.previous != kNone) offer(left.previous);
    offer(at);
  }

  const Bpe& bpe_;
  std::vector<Symbol>& symbols_;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates_;
};

Bpe::Bpe(const TokenIds& tokens, std::span<const Merge> merges, std::optional<int64_t> unknown) {
  const int32_t fallback = unknown ? narrow_id(*unknown) : kNone;
  for (const auto& [byte, character] : byte_alphabet()) {
    std::string token;
    append_utf8(character, token);
    inner_[byte] = find_id(tokens, token, fallback);
    last_[byte] = find_id(tokens, token.append(kWordEnd), fallback);
  }
  rules_.reserve(merges.size());
  int32_t rank = 0;
  for (const Merge& merge : merges) {
    const int32_t left = merge_id(tokens, merge.first, merge);
    const int32_t right = merge_id(tokens, merge.second, merge);
    // A pair that stands twice has its later rank, as in the references' dictionaries.
    rules_[pair_key(left, right)] = {rank++, merge_id(tokens, merge.first + merge.second, merge)};
  }
}

const Bpe::Rule* Bpe::find_rule(int32_t left, int32_t right) const {
  const auto found = rules_.find(pair_key(left, right));
  return found == rules_.end() ? nullptr : &found->second;
}

std::vector<Bpe::Symbol> Bpe::symbols_of(std::string_view word) const {
  if (word.size() >= static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    fail_input("a text has a word of {} bytes", word.size());
  }
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (size_t at = 0; at < word.size(); ++at) {
    const auto& table = at + 1 < word.size() ? inner_ : last_;
    const int32_t id = table[static_cast<uint8_t>(word[at])];
    if (id == kNone) continue;
    const auto position = static_cast<int32_t>(symbols.size());
    symbols.push_back({.id = id, .previous = position - 1, .next = position + 1});
  }
  if (!symbols.empty()) symbols.back().next = kNone;
  return symbols;
}

void Bpe::encode(std::string_view word, std::vector<int64_t>& ids) const {
  std::vector<Symbol> symbols = symbols_of(word);
  Merger(*this, symbols).run();
  for (const Symbol& symbol : symbols) {
    if (symbol.id != kNone) ids.push_back(symbol.id);
  }
}

}  // namespace octet::data
