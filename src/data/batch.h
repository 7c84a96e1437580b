#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/tokenizer.h"
#include "tensor/tensor.h"

namespace octet::data {

/// Decodes and preprocesses samples in parallel: F32 [n, 3, h, w]. Samples that cannot be decoded
/// leave `samples`; why is appended to `problems`, a sentence each.
Tensor decode_batch(const Preprocessor& preprocessor, std::vector<Sample>& samples,
                    std::vector<std::string>& problems);

/// Token ids i64 [n, context], shorter texts filled up with the tokenizer's pad id. Texts that had
/// to be cut are counted in `truncated`.
Tensor tokenize_batch(const Tokenizer& tokenizer, std::span<const std::string> texts,
                      int64_t context, int64_t& truncated);

}  // namespace octet::data
