#include "data/added_tokens.h"

#include <algorithm>

#include "data/char_class.h"

namespace octet::data {
namespace {

bool touches_word(std::u32string_view text, const AddedTokens::Match& match) {
  return (match.begin > 0 && is_word_character(text[match.begin - 1])) ||
         (match.end < text.size() && is_word_character(text[match.end]));
}

}  // namespace

void AddedTokens::add(std::u32string text, int64_t id, bool single_word) {
  if (text.empty()) return;
  first_characters_.push_back(text.front());
  entries_.push_back({std::move(text), id, single_word});
  std::ranges::stable_sort(entries_, std::greater<>(),
                           [](const Entry& entry) { return entry.text.size(); });
}

const AddedTokens::Entry* AddedTokens::longest_at(std::u32string_view text, size_t at) const {
  const auto found = std::ranges::find_if(
      entries_, [&](const Entry& entry) { return text.substr(at).starts_with(entry.text); });
  return found == entries_.end() ? nullptr : &*found;
}

std::optional<AddedTokens::Match> AddedTokens::find(std::u32string_view text, size_t from) const {
  for (size_t at = text.find_first_of(first_characters_, from); at != text.npos;
       at = text.find_first_of(first_characters_, at)) {
    const Entry* const entry = longest_at(text, at);
    if (entry == nullptr) {
      ++at;
      continue;
    }
    const Match match{at, at + entry->text.size(), entry->id};
    if (!entry->single_word || !touches_word(text, match)) return match;
    at = match.end;
  }
  return std::nullopt;
}

}  // namespace octet::data
