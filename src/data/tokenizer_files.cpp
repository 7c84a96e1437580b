#include "data/tokenizer_files.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "data/vocabulary.h"

namespace octet::data {
namespace {

/// Token texts by id. Derived vocabularies have no holes.
std::vector<std::string> tokens_by_id(const Vocabulary& vocabulary) {
  std::vector<std::string> tokens(vocabulary.tokens.size());
  for (const auto& [token, id] : vocabulary.tokens) tokens[static_cast<size_t>(id)] = token;
  return tokens;
}

/// By hand: an OrderedJson of this size looks every key up in a list.
std::string vocabulary_text(const std::vector<std::string>& tokens) {
  std::string text = "{";
  for (size_t id = 0; id < tokens.size(); ++id) {
    text += fmt::format("{}{}: {}", id == 0 ? "" : ", ", Json(tokens[id]).dump(), id);
  }
  return text + "}\n";
}

std::string merges_text(const std::vector<Merge>& merges) {
  std::string text = "#version: 0.2\n";
  for (const auto& [left, right] : merges) text += fmt::format("{} {}\n", left, right);
  return text;
}

}  // namespace

int64_t write_tokenizer_files(const std::filesystem::path& bpe_file,
                              const std::filesystem::path& folder, int64_t max_length) {
  const Vocabulary vocabulary = with_context(fmt::format("'{}'", bpe_file.string()), [&] {
    return derive_vocabulary(read_merges(bpe_file));
  });
  const std::vector<std::string> tokens = tokens_by_id(vocabulary);
  const auto token = [&](int64_t id) { return tokens[static_cast<size_t>(id)]; };
  const OrderedJson config = {
      {"tokenizer_class", "CLIPTokenizer"},      {"model_max_length", max_length},
      {"bos_token", token(vocabulary.begin)},    {"eos_token", token(vocabulary.end)},
      {"unk_token", token(*vocabulary.unknown)}, {"pad_token", token(vocabulary.pad)},
  };
  write_text(folder / "vocab.json", vocabulary_text(tokens));
  write_text(folder / "merges.txt", merges_text(vocabulary.merges));
  write_text(folder / "tokenizer_config.json", config.dump(2) + "\n");
  return static_cast<int64_t>(tokens.size());
}

}  // namespace octet::data
