#include "data/vocabulary.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "data/tokenizer_json.h"
#include "data/utf8.h"

namespace octet::data {
namespace fs = std::filesystem;

namespace {

constexpr const char* kBeginToken = "<|startoftext|>";
constexpr const char* kEndToken = "<|endoftext|>";

/// The JSON object in a file that may be absent.
Json read_optional_object(const fs::path& path) {
  if (!fs::exists(path)) return Json::object();
  Json json = read_json(path);
  if (!json.is_object()) fail_input("'{}' is not a JSON object", path.string());
  return json;
}

/// The files beside the vocabulary that name special tokens. tokenizer_config.json wins where it
/// carries `added_tokens_decoder`: it is then newer than special_tokens_map.json.
class SpecialTokenNames {
 public:
  explicit SpecialTokenNames(const fs::path& folder)
      : first_(read_optional_object(folder / "special_tokens_map.json")),
        second_(read_optional_object(folder / "tokenizer_config.json")),
        where_(folder.string()) {
    if (second_.contains("added_tokens_decoder")) std::swap(first_, second_);
  }

  /// The token of a role ("bos_token"), its id not looked up; nullopt when no file names one.
  [[nodiscard]] std::optional<AddedToken> find(const char* role) const {
    for (const Json* source : {&first_, &second_}) {
      const auto entry = source->find(role);
      if (entry == source->end() || entry->is_null()) continue;
      if (entry->is_string()) return AddedToken{.text = entry->get<std::string>()};
      return AddedToken{.text = json_at<std::string>(*entry, "content", where_),
                        .normalized = json_or<bool>(*entry, "normalized", false, where_),
                        .single_word = json_or<bool>(*entry, "single_word", false, where_)};
    }
    return std::nullopt;
  }

 private:
  Json first_;
  Json second_;
  std::string where_;
};

Vocabulary read_vocab_and_merges(const fs::path& folder) {
  Vocabulary vocabulary;
  const fs::path path = folder / "vocab.json";
  with_context(fmt::format("'{}'", path.string()),
               [&] { vocabulary.tokens = read_token_ids(read_json(path)); });
  vocabulary.merges = read_merges(folder / "merges.txt");
  const Json added = read_optional_object(folder / "added_tokens.json");
  for (const auto& [text, id] : added.items()) {
    vocabulary.add({.text = text,
                    .id = json_at<int64_t>(added, text.c_str(), "added_tokens.json"),
                    .normalized = true});
  }
  return vocabulary;
}

std::optional<int64_t> find_id(const Vocabulary& vocabulary, const std::string& token) {
  const auto found = vocabulary.tokens.find(token);
  if (found == vocabulary.tokens.end()) return std::nullopt;
  return found->second;
}

/// Makes the token that the files name for a role an added one, as the reference does even for a
/// padding token like "!"; its id.
std::optional<int64_t> add_special(const SpecialTokenNames& names, const char* role,
                                   Vocabulary& vocabulary) {
  std::optional<AddedToken> token = names.find(role);
  if (!token || token->text.empty()) return std::nullopt;
  const std::optional<int64_t> id = find_id(vocabulary, token->text);
  if (!id) fail_input("{} '{}' is not in the vocabulary", role, token->text);
  token->id = *id;
  const auto same_text = std::ranges::find(vocabulary.added, token->text, &AddedToken::text);
  if (same_text == vocabulary.added.end()) vocabulary.add(*std::move(token));
  return id;
}

/// The token of a role that no file names: the reference's default.
int64_t add_default(const char* text, const char* role, Vocabulary& vocabulary) {
  const std::optional<int64_t> id = find_id(vocabulary, text);
  if (!id) fail_input("no file names the {}, and the vocabulary lacks '{}'", role, text);
  vocabulary.add({.text = text, .id = *id});
  return *id;
}

/// Completes the ids that the vocabulary's own file left open.
void resolve_special_tokens(const fs::path& folder, Vocabulary& vocabulary) {
  const SpecialTokenNames names(folder);
  const auto begin = add_special(names, "bos_token", vocabulary);
  const auto end = add_special(names, "eos_token", vocabulary);
  const auto unknown = add_special(names, "unk_token", vocabulary);
  const auto pad = add_special(names, "pad_token", vocabulary);
  if (vocabulary.begin < 0) {
    vocabulary.begin = begin ? *begin : add_default(kBeginToken, "bos_token", vocabulary);
  }
  if (vocabulary.end < 0) {
    vocabulary.end = end ? *end : add_default(kEndToken, "eos_token", vocabulary);
  }
  if (!vocabulary.unknown) vocabulary.unknown = unknown ? unknown : vocabulary.end;
  if (pad) vocabulary.pad = *pad;
  if (vocabulary.pad < 0) vocabulary.pad = vocabulary.end;
}

}  // namespace

void Vocabulary::add(AddedToken token) {
  if (token.text.empty()) fail_input("an added token is empty");
  const auto [entry, is_new] = tokens.emplace(token.text, token.id);
  if (entry->second != token.id) {
    fail_input("added token '{}' has the id {}, in the vocabulary {}", token.text, token.id,
               entry->second);
  }
  added.push_back(std::move(token));
}

Vocabulary read_vocabulary(const fs::path& folder) {
  const fs::path whole = folder / "tokenizer.json";
  const bool is_whole = fs::exists(whole);
  if (!is_whole && !(fs::exists(folder / "vocab.json") && fs::exists(folder / "merges.txt"))) {
    fail_input("'{}' has no tokenizer: neither tokenizer.json nor vocab.json with merges.txt",
               folder.string());
  }
  Vocabulary vocabulary = is_whole ? read_tokenizer_json(whole) : read_vocab_and_merges(folder);
  with_context(fmt::format("tokenizer in '{}'", folder.string()),
               [&] { resolve_special_tokens(folder, vocabulary); });
  return vocabulary;
}

Vocabulary derive_vocabulary(std::vector<Merge> merges) {
  Vocabulary vocabulary;
  const auto add = [&](const std::string& token) {
    const auto id = static_cast<int64_t>(vocabulary.tokens.size());
    if (!vocabulary.tokens.emplace(token, id).second) {
      fail_input("two merges make the token '{}'", token);
    }
    return id;
  };
  for (const std::string_view suffix : {std::string_view(), kWordEnd}) {
    for (const auto& [byte, character] : byte_alphabet()) {
      std::string token;
      append_utf8(character, token);
      add(token.append(suffix));
    }
  }
  for (const auto& [left, right] : merges) add(left + right);
  vocabulary.begin = add(kBeginToken);
  vocabulary.end = add(kEndToken);
  vocabulary.pad = vocabulary.end;
  vocabulary.unknown = vocabulary.end;
  vocabulary.added = {{.text = kBeginToken, .id = vocabulary.begin},
                      {.text = kEndToken, .id = vocabulary.end}};
  vocabulary.merges = std::move(merges);
  return vocabulary;
}

}  // namespace octet::data
