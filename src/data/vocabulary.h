#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/bpe.h"

namespace octet::data {

/// A token that is cut out of a text before words are looked for.
struct AddedToken {
  std::string text;
  int64_t id = -1;
  bool normalized = false;   ///< looked for in the normalised text; else in the text as it came
  bool single_word = false;  ///< only where no word character touches it
};

/// What tokenizer files hold.
struct Vocabulary {
  TokenIds tokens;            ///< added tokens included
  std::vector<Merge> merges;  ///< in the order of their ranks
  std::vector<AddedToken> added;
  std::vector<std::string> split_specials;  ///< alternatives in front of the word pattern's own
  std::optional<int64_t> unknown;
  int64_t begin = -1;
  int64_t end = -1;
  int64_t pad = -1;

  /// Puts an added token beside the others. Throws `Error(bad_input)` when its text has another id.
  void add(AddedToken token);
};

/// Reads tokenizer.json, else vocab.json with merges.txt; special tokens also from
/// special_tokens_map.json and tokenizer_config.json. Throws `Error(bad_input)` naming the file.
Vocabulary read_vocabulary(const std::filesystem::path& folder);

/// The vocabulary that merges imply by CLIP's rule: 256 byte characters, the same with the word
/// end, one token for each merge, `<|startoftext|>`, `<|endoftext|>`. Padding is the end token.
Vocabulary derive_vocabulary(std::vector<Merge> merges);

/// Reads merges, a pair a line, plain or gzipped; a first line that holds "#version" is left out.
/// At most 48,894 are read, CLIP's number: its own file holds more than its vocabulary uses.
/// Throws `Error(bad_input)` naming the file and line.
std::vector<Merge> read_merges(const std::filesystem::path& path);

}  // namespace octet::data
