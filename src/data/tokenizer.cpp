#include "data/tokenizer.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "data/added_tokens.h"
#include "data/bpe.h"
#include "data/html_unescape.h"
#include "data/text_normalize.h"
#include "data/utf8.h"
#include "data/vocabulary.h"
#include "data/word_split.h"

namespace octet::data {
namespace {

/// The ids of a text so far. They stop one past the limit: more are not needed to know of a cut.
struct Ids {
  std::vector<int64_t> values;
  size_t limit = 0;

  [[nodiscard]] bool is_full() const { return values.size() > limit; }
};

std::string token_text(const TokenIds& tokens, int64_t id) {
  const auto found =
      std::ranges::find_if(tokens, [&](const auto& entry) { return entry.second == id; });
  if (found == tokens.end()) fail_input("no token of the vocabulary has the id {}", id);
  return found->first;
}

int64_t largest_id(const TokenIds& tokens) {
  int64_t largest = -1;
  for (const auto& [token, id] : tokens) largest = std::max(largest, id);
  return largest;
}

/// Passes what stands between added tokens to `encode`, and appends the added tokens' ids.
template <typename Encode>
void encode_between(const AddedTokens& tokens, std::u32string_view text, Ids& ids, Encode encode) {
  size_t at = 0;
  while (const auto match = tokens.find(text, at)) {
    encode(text.substr(at, match->begin - at));
    if (ids.is_full()) return;
    ids.values.push_back(match->id);
    at = match->end;
  }
  encode(text.substr(at));
}

}  // namespace

struct Tokenizer::State {
  State(const Vocabulary& vocabulary, TokenizerOptions chosen);

  void encode_hf(std::u32string_view text, Ids& ids) const;
  void encode_normalized(std::u32string_view text, Ids& ids) const;
  void encode_openai(std::u32string_view text, Ids& ids) const;
  void encode_words(std::u32string_view text, const WordPattern& by, Ids& ids) const;
  void encode_special(std::ptrdiff_t special, Ids& ids) const;
  void encode_word(std::u32string_view word, Ids& ids) const;

  TokenizerOptions options;
  Bpe bpe;
  AddedTokens raw_tokens;         ///< hf: found in the text as it came
  AddedTokens normalized_tokens;  ///< hf: found after normalisation
  WordPattern pattern;            ///< openai: its specials are the begin and the end token
  int64_t begin;
  int64_t end;
  int64_t pad;
  int64_t size;
};

Tokenizer::State::State(const Vocabulary& vocabulary, TokenizerOptions chosen)
    : options(chosen),
      bpe(vocabulary.tokens, vocabulary.merges, vocabulary.unknown),
      begin(vocabulary.begin),
      end(vocabulary.end),
      pad(vocabulary.pad),
      size(largest_id(vocabulary.tokens) + 1) {
  if (options.max_length < 2) {
    fail(ErrorCode::usage, "texts of {} tokens have no room for begin and end", options.max_length);
  }
  for (const AddedToken& token : vocabulary.added) {
    const std::u32string text = decode_utf8(token.text);
    if (token.normalized) {
      normalized_tokens.add(lower_each(compose(text)), token.id, token.single_word);
    } else {
      raw_tokens.add(text, token.id, token.single_word);
    }
  }
  std::vector<std::u32string> special_texts;  // looked up for hf too: all three must exist
  for (const int64_t id : {begin, end, pad}) {
    special_texts.push_back(decode_utf8(token_text(vocabulary.tokens, id)));
  }
  if (options.pipeline == TokenizerPipeline::openai) {
    pattern = {.ignore_case = true, .specials = {special_texts[0], special_texts[1]}};
  } else {
    std::ranges::transform(vocabulary.split_specials, std::back_inserter(pattern.specials),
                           decode_utf8);
  }
}

void Tokenizer::State::encode_hf(std::u32string_view text, Ids& ids) const {
  encode_between(raw_tokens, text, ids, [&](std::u32string_view part) {
    encode_normalized(lower_each(compose(part)), ids);
  });
}

/// The reference also makes one space of every stretch of white space before this; between words
/// that changes nothing.
void Tokenizer::State::encode_normalized(std::u32string_view text, Ids& ids) const {
  encode_between(normalized_tokens, text, ids,
                 [&](std::u32string_view part) { encode_words(part, pattern, ids); });
}

void Tokenizer::State::encode_openai(std::u32string_view text, Ids& ids) const {
  const std::u32string unescaped = unescape_html(unescape_html(text));
  encode_words(lower_in_context(strip(unescaped)), pattern, ids);
}

void Tokenizer::State::encode_words(std::u32string_view text, const WordPattern& by,
                                    Ids& ids) const {
  WordSplitter words(text, by);
  for (auto word = words.next(); !word.empty() && !ids.is_full(); word = words.next()) {
    const auto special = std::ranges::find(by.specials, word);
    if (special == by.specials.end()) {
      encode_word(word, ids);
    } else {
      encode_special(special - by.specials.begin(), ids);
    }
  }
}

/// hf has cut the added tokens out before; what lower case has made look like one after that is
/// split once more, without the specials, by the reference's second pre-tokenizer.
void Tokenizer::State::encode_special(std::ptrdiff_t special, Ids& ids) const {
  if (options.pipeline == TokenizerPipeline::openai) {
    ids.values.push_back(special == 0 ? begin : end);
  } else {
    encode_words(pattern.specials[static_cast<size_t>(special)], WordPattern(), ids);
  }
}

void Tokenizer::State::encode_word(std::u32string_view word, Ids& ids) const {
  std::string bytes;
  for (const char32_t c : word) append_utf8(c, bytes);
  bpe.encode(bytes, ids.values);
}

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::from_folder(const std::filesystem::path& folder, TokenizerOptions options) {
  const Vocabulary vocabulary = read_vocabulary(folder);
  return with_context(fmt::format("tokenizer in '{}'", folder.string()), [&] {
    return Tokenizer(std::make_unique<const State>(vocabulary, options));
  });
}

Tokenizer Tokenizer::from_bpe_file(const std::filesystem::path& path, TokenizerOptions options) {
  return with_context(fmt::format("'{}'", path.string()), [&] {
    const Vocabulary vocabulary = derive_vocabulary(read_merges(path));
    return Tokenizer(std::make_unique<const State>(vocabulary, options));
  });
}

std::vector<int64_t> Tokenizer::encode(std::string_view text, bool* truncated) const {
  const auto limit = static_cast<size_t>(state_->options.max_length) - 1;
  Ids ids{.values = {state_->begin}, .limit = limit};
  const std::u32string characters = decode_utf8(text);
  if (state_->options.pipeline == TokenizerPipeline::hf) {
    state_->encode_hf(characters, ids);
  } else {
    state_->encode_openai(characters, ids);
  }
  if (truncated != nullptr) *truncated = ids.is_full();
  if (ids.is_full()) ids.values.resize(limit);
  ids.values.push_back(state_->end);
  return std::move(ids.values);
}

int64_t Tokenizer::begin_id() const {
  return state_->begin;
}
int64_t Tokenizer::end_id() const {
  return state_->end;
}
int64_t Tokenizer::pad_id() const {
  return state_->pad;
}
int64_t Tokenizer::vocabulary_size() const {
  return state_->size;
}
const TokenizerOptions& Tokenizer::options() const {
  return state_->options;
}

}  // namespace octet::data
