#include "eval/encoder.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "base/threads.h"
#include "tensor/codecs.h"

namespace octet::eval {
namespace {

/// Appends the rows of an output to `target`, each divided by its norm.
void append_normalized(const runtime::Operand& features, std::vector<float>& target) {
  const auto count = static_cast<size_t>(features.count());
  const auto width = static_cast<size_t>(features.last());
  const size_t begin = target.size();
  target.resize(begin + count);
  const std::span<float> rows(target.data() + begin, count);
  convert_to_f32(features.dtype, {features.data, features.size_bytes()}, rows);
  for (size_t row = 0; row < count; row += width) {
    double square = 0;
    for (size_t i = row; i < row + width; ++i) square += double{rows[i]} * rows[i];
    const auto factor = static_cast<float>(1.0 / std::max(std::sqrt(square), 1e-12));
    for (size_t i = row; i < row + width; ++i) rows[i] *= factor;
  }
}

Tensor as_matrix(const std::vector<float>& values, int64_t rows) {
  const int64_t columns = rows == 0 ? 0 : static_cast<int64_t>(values.size()) / rows;
  return Tensor::from<float>({rows, columns}, values);
}

void require(const std::shared_ptr<const runtime::Engine>& engine, std::string_view tower) {
  if (engine == nullptr) fail_input("the model has no {} tower, which this task needs", tower);
}

/// One batch of samples, decoded in parallel into the engine's own dtype.
class ImageBatch {
 public:
  ImageBatch(const Encoder& encoder, int64_t capacity)
      : preprocessor_(encoder.preprocessor),
        input_(encoder.image->graph().value(encoder.image->graph().inputs().front())),
        capacity_(capacity) {
    const std::optional<Shape> shape = to_shape({input_.dims.begin() + 1, input_.dims.end()});
    check(shape.has_value(), "the image size must be fixed");
    image_shape_ = *shape;
    const Shape wanted{3, preprocessor_.crop_height, preprocessor_.crop_width};
    if (image_shape_ != wanted) {
      fail_input("preprocessing makes images of {}, but the model takes {}", to_string(wanted),
                 to_string(image_shape_));
    }
  }

  [[nodiscard]] bool full() const { return static_cast<int64_t>(samples_.size()) == capacity_; }
  [[nodiscard]] bool empty() const { return samples_.empty(); }
  void add(data::Sample sample) { samples_.push_back(std::move(sample)); }

  /// Pixels of the samples that decode, [n, 3, h, w]; the others leave `samples()` and are told.
  Tensor decode(bool strict, int64_t& unreadable) {
    const int64_t size = element_count(image_shape_);
    std::vector<float> pixels(samples_.size() * static_cast<size_t>(size));
    std::vector<std::string> problems(samples_.size());
    parallel_for(static_cast<int64_t>(samples_.size()), 1, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        decode_one(
            samples_[i],
            std::span(pixels).subspan(i * static_cast<size_t>(size), static_cast<size_t>(size)),
            problems[i]);
      }
    });
    return keep_readable(pixels, problems, strict, unreadable);
  }

  std::vector<data::Sample>& samples() { return samples_; }

 private:
  void decode_one(const data::Sample& sample, std::span<float> target, std::string& problem) const {
    try {
      preprocessor_.to_values(sample.decode(), target);
    } catch (const Error& error) {
      problem = error.what();
    }
  }

  Tensor keep_readable(std::vector<float>& pixels, const std::vector<std::string>& problems,
                       bool strict, int64_t& unreadable) {
    const auto size = static_cast<size_t>(element_count(image_shape_));
    size_t kept = 0;
    for (size_t i = 0; i < problems.size(); ++i) {
      if (!problems[i].empty()) {
        if (strict) fail_input("{}", problems[i]);
        log_warning("skipped: {}", problems[i]);
        ++unreadable;
        continue;
      }
      if (kept != i) {
        std::copy_n(pixels.begin() + static_cast<ptrdiff_t>(i * size), size,
                    pixels.begin() + static_cast<ptrdiff_t>(kept * size));
        samples_[kept] = std::move(samples_[i]);
      }
      ++kept;
    }
    samples_.resize(kept);
    pixels.resize(kept * size);
    Shape shape{static_cast<int64_t>(kept)};
    shape.insert(shape.end(), image_shape_.begin(), image_shape_.end());
    return convert(Tensor::from<float>(std::move(shape), pixels), input_.dtype);
  }

  const data::Preprocessor& preprocessor_;
  const Value& input_;
  int64_t capacity_;
  Shape image_shape_;
  std::vector<data::Sample> samples_;
};

}  // namespace

Tensor tokenize(const data::Tokenizer& tokenizer, std::span<const std::string> texts,
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

Tensor encode_texts(const Encoder& encoder, std::span<const std::string> texts,
                    const Progress& progress) {
  require(encoder.text, "text");
  if (!encoder.tokenizer) {
    fail_input(
        "the model's folder has no tokenizer (tokenizer.json, or vocab.json and merges.txt)");
  }
  const Graph& graph = encoder.text->graph();
  const int64_t context = graph.value(graph.inputs().front()).dims.at(1).size();
  const auto batch = static_cast<size_t>(encoder.text->max_size("batch"));
  runtime::Session session(encoder.text);
  std::vector<float> features;
  int64_t truncated = 0;
  for (size_t begin = 0; begin < texts.size(); begin += batch) {
    throw_if_interrupted();
    const auto part = texts.subspan(begin, std::min(batch, texts.size() - begin));
    const Tensor ids = tokenize(*encoder.tokenizer, part, context, truncated);
    append_normalized(session.run({&ids, 1}).front(), features);
    report(progress, "texts", static_cast<int64_t>(begin + part.size()),
           static_cast<int64_t>(texts.size()));
  }
  if (truncated > 0)
    log_warning("{} texts were longer than {} tokens and were cut", truncated, context);
  return as_matrix(features, static_cast<int64_t>(texts.size()));
}

EncodedImages encode_images(const Encoder& encoder, data::Dataset& dataset, bool strict,
                            const Progress& progress) {
  require(encoder.image, "image");
  runtime::Session session(encoder.image);
  EncodedImages result;
  std::vector<float> features;
  int64_t read = 0;
  const auto flush = [&](ImageBatch& batch) {
    throw_if_interrupted();
    read += static_cast<int64_t>(batch.samples().size());
    const Tensor pixels = batch.decode(strict, result.unreadable);
    if (!batch.empty()) append_normalized(session.run({&pixels, 1}).front(), features);
    for (data::Sample& sample : batch.samples()) {
      result.labels.push_back(sample.label);
      result.captions.push_back(std::move(sample.captions));
    }
    batch.samples().clear();
    report(progress, "images", read, std::max<int64_t>(dataset.size(), 0));
  };
  dataset.rewind();
  ImageBatch batch(encoder, encoder.image->max_size("batch"));
  while (std::optional<data::Sample> sample = dataset.next()) {
    batch.add(std::move(*sample));
    if (batch.full()) flush(batch);
  }
  if (!batch.empty()) flush(batch);
  if (result.labels.empty()) fail_input("the dataset holds no readable image");
  result.embeddings = as_matrix(features, static_cast<int64_t>(result.labels.size()));
  return result;
}

}  // namespace octet::eval
