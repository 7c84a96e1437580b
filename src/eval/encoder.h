#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/tokenizer.h"
#include "runtime/engine.h"

namespace octet::eval {

/// A model ready to turn texts and images into embeddings: one engine a tower (null when the model
/// lacks it) and the preprocessing that belongs to it. Immutable, shared by threads.
struct Encoder {
  std::shared_ptr<const runtime::Engine> text;
  std::shared_ptr<const runtime::Engine> image;
  std::optional<data::Tokenizer> tokenizer;
  data::Preprocessor preprocessor;
  float logit_scale = 100.0F;
};

/// A batch for the image engine: pixels in its dtype. Samples that do not decode leave `samples`
/// and are counted; with `strict` the first one is an `Error(bad_input)`.
Tensor image_input(const Encoder& encoder, std::vector<data::Sample>& samples, bool strict,
                   int64_t& unreadable);

/// A batch for the text engine: token ids [n, context]. Throws `Error(bad_input)` without a
/// tokenizer.
Tensor text_input(const Encoder& encoder, std::span<const std::string> texts, int64_t& truncated);

/// Embeddings of texts, F32 [n, d], each divided by its norm. Warns about cut texts. Throws
/// `Error(bad_input)` when the model has no text tower or no tokenizer.
Tensor encode_texts(const Encoder& encoder, std::span<const std::string> texts,
                    const Progress& progress);

/// Image embeddings with what belongs to them, sample by sample; samples that could not be decoded
/// are left out and counted.
struct EncodedImages {
  Tensor embeddings;  ///< F32 [n, d], each divided by its norm
  std::vector<int64_t> labels;
  std::vector<std::vector<std::string>> captions;
  int64_t unreadable = 0;
};

/// Reads the dataset from its beginning. With `strict` an unreadable image is an
/// `Error(bad_input)`; otherwise it is logged as a warning and counted.
EncodedImages encode_images(const Encoder& encoder, data::Dataset& dataset, bool strict,
                            const Progress& progress);

/// The same for samples in memory; one that does not decode is an `Error(bad_input)`.
EncodedImages encode_samples(const Encoder& encoder, std::vector<data::Sample> samples);

}  // namespace octet::eval
