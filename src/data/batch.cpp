#include "data/batch.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"

namespace octet::data {

Tensor encode_padded(const Tokenizer& tokenizer, std::span<const std::string> texts,
                     int64_t& truncated) {
  const int64_t length = tokenizer.options().max_length;
  Tensor ids(DType::i64, {static_cast<int64_t>(texts.size()), length});
  const auto values = ids.mutable_values<int64_t>();
  std::ranges::fill(values, tokenizer.pad_id());
  for (size_t i = 0; i < texts.size(); ++i) {
    bool cut = false;
    const std::vector<int64_t> tokens = tokenizer.encode(texts[i], &cut);
    truncated += int64_t{cut};
    std::ranges::copy(tokens, values.begin() + static_cast<ptrdiff_t>(i) * length);
  }
  return ids;
}

ImageBatch preprocess_batch(const Preprocessor& preprocessor, std::span<const Sample> samples) {
  const int64_t height = preprocessor.output_height();
  const int64_t width = preprocessor.output_width();
  const auto size = static_cast<size_t>(3 * height * width);
  std::vector<float> pixels(samples.size() * size);
  std::vector<std::string> problems(samples.size());
  parallel_for(static_cast<int64_t>(samples.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      try {
        preprocessor.to_values(samples[i].decode(), std::span(pixels).subspan(i * size, size));
      } catch (const Error& error) {
        problems[i] = error.what();
      }
    }
  });
  ImageBatch batch;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!problems[i].empty()) {
      batch.problems.push_back(std::move(problems[i]));
      continue;
    }
    const auto from = pixels.begin() + static_cast<ptrdiff_t>(i * size);
    const auto to = pixels.begin() + static_cast<ptrdiff_t>(batch.indices.size() * size);
    if (from != to) std::copy_n(from, size, to);
    batch.indices.push_back(i);
  }
  const auto count = static_cast<int64_t>(batch.indices.size());
  batch.values = Tensor::from<float>({count, 3, height, width},
                                     std::span(pixels).first(batch.indices.size() * size));
  return batch;
}

}  // namespace octet::data
