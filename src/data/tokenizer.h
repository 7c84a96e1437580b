#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octet::data {

/// Which reference pipeline is reproduced.
enum class TokenizerPipeline {
  hf,      ///< Hugging Face fast: NFC, whitespace, per-character lower case, case-sensitive split
  openai,  ///< OpenAI / open_clip: html unescape twice, Python lower case, split ignoring case
};

struct TokenizerOptions {
  TokenizerPipeline pipeline = TokenizerPipeline::hf;
  int64_t max_length = 77;  ///< begin and end tokens included; longer texts are cut, last id = end
};

/// CLIP's byte-level BPE. Immutable after loading; `encode` is safe from several threads.
class Tokenizer {
 public:
  /// Reads tokenizer.json, else vocab.json with merges.txt. Throws `Error(bad_input)`, naming the
  /// file, when neither is there or one is inconsistent.
  static Tokenizer from_folder(const std::filesystem::path& folder, TokenizerOptions options);

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
  [[nodiscard]] int64_t vocabulary_size() const;
  [[nodiscard]] const TokenizerOptions& options() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace octet::data
