#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

namespace octet::data {

/// Which reference pipeline is reproduced.
enum class TokenizerPipeline {
  /// Hugging Face fast: added tokens first, NFC, lower case of each character, split by case.
  /// Combining marks newer than that library's NFC table may stand in another order there.
  hf,
  /// OpenAI: HTML unescaped twice, Python's lower case, split ignoring case. Without ftfy: text
  /// that
  /// was decoded wrongly is not repaired, curly quotes, ligatures and wide letters stay.
  openai,
};

struct TokenizerOptions {
  TokenizerPipeline pipeline = TokenizerPipeline::hf;
  int64_t max_length = 77;  ///< begin and end tokens included; longer texts are cut, last id = end
};

/// CLIP's byte-level BPE. Immutable after loading; `encode` is safe from several threads.
/// A text that contains the begin or end token's name gets that token, as in both references.
class Tokenizer {
 public:
  /// Reads tokenizer.json, else vocab.json with merges.txt. Throws `Error(bad_input)`, naming the
  /// file, when neither is there or one is inconsistent or of another kind than CLIP's;
  /// `Error(usage)` when `max_length` is below 2.
  static Tokenizer from_folder(const std::filesystem::path& folder, TokenizerOptions options);

  /// Derives the vocabulary from a file of merges: CLIP's bpe_simple_vocab_16e6.txt.gz or a
  /// merges.txt, plain or gzipped. Padding is the end token. Throws as `from_folder`.
  static Tokenizer from_bpe_file(const std::filesystem::path& path, TokenizerOptions options);

  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Begin token, ids, end token; at most max_length. `truncated` (may be null) tells of a cut.
  /// Invalid UTF-8 is replaced by U+FFFD.
  [[nodiscard]] std::vector<int64_t> encode(std::string_view text, bool* truncated = nullptr) const;

  [[nodiscard]] int64_t begin_id() const;
  [[nodiscard]] int64_t end_id() const;
  /// What shorter texts are filled up with in a batch.
  [[nodiscard]] int64_t pad_id() const;
  /// Rows that an embedding table needs: the largest id plus one.
  [[nodiscard]] int64_t vocabulary_size() const;
  [[nodiscard]] const TokenizerOptions& options() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace octet::data
