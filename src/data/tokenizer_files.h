#pragma once

#include <cstdint>
#include <filesystem>

namespace octet::data {

/// Writes vocab.json, merges.txt and tokenizer_config.json into `folder`, as
/// `Tokenizer::from_folder` and transformers read them, from a file of merges (CLIP's
/// bpe_simple_vocab_16e6.txt.gz or a merges.txt). `max_length` is the text model's context length.
/// Returns the number of tokens: 49,408 from CLIP's file. Throws `Error(bad_input)` naming the
/// merges file, `Error(failed)` when the folder cannot be written.
int64_t write_tokenizer_files(const std::filesystem::path& bpe_file,
                              const std::filesystem::path& folder, int64_t max_length = 77);

}  // namespace octet::data
