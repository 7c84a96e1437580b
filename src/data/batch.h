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

/// Token ids I64 [n, max_length of the tokenizer], shorter texts filled up with its pad id. Adds
/// the number of texts that were cut to `truncated`.
Tensor encode_padded(const Tokenizer& tokenizer, std::span<const std::string> texts,
                     int64_t& truncated);

/// Images ready for a model.
struct ImageBatch {
  Tensor values;  ///< F32 [n, 3, height, width]: the images that could be read, in their order
  std::vector<size_t> indices;        ///< which samples those are
  std::vector<std::string> problems;  ///< why the others could not be read, a sentence each
};

/// Decodes and preprocesses in parallel.
ImageBatch preprocess_batch(const Preprocessor& preprocessor, std::span<const Sample> samples);

}  // namespace octet::data
