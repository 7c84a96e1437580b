#include "data/batch.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"

namespace octet::data {
namespace {

/// Why the sample could not be decoded; empty when it was.
std::string decode_into(const Preprocessor& preprocessor, const Sample& sample,
                        std::span<float> target) {
  try {
    preprocessor.to_values(sample.decode(), target);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

Tensor decode_batch(const Preprocessor& preprocessor, std::vector<Sample>& samples,
                    std::vector<std::string>& problems) {
  const Shape image{3, preprocessor.crop_height, preprocessor.crop_width};
  const auto size = static_cast<size_t>(element_count(image));
  std::vector<float> pixels(samples.size() * size);
  std::vector<std::string> found(samples.size());
  parallel_for(static_cast<int64_t>(samples.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      found[i] = decode_into(preprocessor, samples[i], std::span(pixels).subspan(i * size, size));
    }
  });
  size_t kept = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!found[i].empty()) {
      problems.push_back(std::move(found[i]));
      continue;
    }
    if (kept != i) {
      samples[kept] = std::move(samples[i]);
      std::copy_n(pixels.begin() + static_cast<ptrdiff_t>(i * size), size,
                  pixels.begin() + static_cast<ptrdiff_t>(kept * size));
    }
    ++kept;
  }
  samples.resize(kept);
  pixels.resize(kept * size);
  return Tensor::from<float>({static_cast<int64_t>(kept), image[0], image[1], image[2]}, pixels);
}

Tensor tokenize_batch(const Tokenizer& tokenizer, std::span<const std::string> texts,
                      int64_t context, int64_t& truncated) {
  Tensor ids(DType::i64, {static_cast<int64_t>(texts.size()), context});
  const auto values = ids.mutable_values<int64_t>();
  std::ranges::fill(values, tokenizer.pad_id());
  for (size_t i = 0; i < texts.size(); ++i) {
    bool cut = false;
    const std::vector<int64_t> tokens = tokenizer.encode(texts[i], &cut);
    truncated += int64_t{cut};
    check(static_cast<int64_t>(tokens.size()) <= context, "{} tokens", tokens.size());
    std::ranges::copy(tokens, values.begin() + static_cast<ptrdiff_t>(i) * context);
  }
  return ids;
}

}  // namespace octet::data
