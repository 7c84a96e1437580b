#pragma once

#include <filesystem>

#include "base/json.h"
#include "data/vocabulary.h"

namespace octet::data {

/// Reads a tokenizer.json, as transformers 4 and 5 write it. `begin`, `end` and `pad` are what its
/// post-processor and padding say, -1 where they say nothing. Throws `Error(bad_input)`, naming the
/// file, when it is broken or describes a tokenizer of another kind than CLIP's.
Vocabulary read_tokenizer_json(const std::filesystem::path& path);

/// An object of tokens and their ids: integers from 0 on, none twice. Throws `Error(bad_input)`.
TokenIds read_token_ids(const Json& json);

}  // namespace octet::data
