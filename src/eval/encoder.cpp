#include "eval/encoder.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "data/batch.h"
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

void check_image_size(const Encoder& encoder) {
  const Graph& graph = encoder.image->graph();
  const Dims& dims = graph.value(graph.inputs().front()).dims;
  const Dims wanted{dims.at(0), 3, encoder.preprocessor.output_height(),
                    encoder.preprocessor.output_width()};
  if (dims != wanted) {
    fail_input("preprocessing makes images of {}, but the model takes {}", to_string(wanted),
               to_string(dims));
  }
}

void report_problems(const std::vector<std::string>& problems, bool strict) {
  for (const std::string& problem : problems) {
    if (strict) fail_input("{}", problem);
    log_warning("skipped: {}", problem);
  }
}

}  // namespace

Tensor image_input(const Encoder& encoder, std::vector<data::Sample>& samples, bool strict,
                   int64_t& unreadable) {
  const Graph& graph = encoder.image->graph();
  const data::ImageBatch batch = data::preprocess_batch(encoder.preprocessor, samples);
  report_problems(batch.problems, strict);
  unreadable += static_cast<int64_t>(batch.problems.size());
  for (size_t i = 0; i < batch.indices.size(); ++i) {
    if (batch.indices[i] != i) samples[i] = std::move(samples[batch.indices[i]]);
  }
  samples.resize(batch.indices.size());
  return convert(batch.values, graph.value(graph.inputs().front()).dtype);
}

Tensor text_input(const Encoder& encoder, std::span<const std::string> texts, int64_t& truncated) {
  if (!encoder.tokenizer) {
    fail_input(
        "the model's folder has no tokenizer (tokenizer.json, or vocab.json and merges.txt)");
  }
  return data::encode_padded(*encoder.tokenizer, texts, truncated);
}

Tensor encode_texts(const Encoder& encoder, std::span<const std::string> texts,
                    const Progress& progress) {
  require(encoder.text, "text");
  const auto batch = static_cast<size_t>(encoder.text->max_size("batch"));
  runtime::Session session(encoder.text);
  std::vector<float> features;
  int64_t truncated = 0;
  for (size_t begin = 0; begin < texts.size(); begin += batch) {
    throw_if_interrupted();
    const auto part = texts.subspan(begin, std::min(batch, texts.size() - begin));
    const Tensor ids = text_input(encoder, part, truncated);
    append_normalized(session.run({&ids, 1}).front(), features);
    report(progress, "texts", static_cast<int64_t>(begin + part.size()),
           static_cast<int64_t>(texts.size()));
  }
  if (truncated > 0)
    log_warning("{} texts were longer than the model takes and were cut", truncated);
  return as_matrix(features, static_cast<int64_t>(texts.size()));
}

namespace {

/// Takes samples one by one and runs them in batches.
class ImageEncoder {
 public:
  ImageEncoder(const Encoder& encoder, bool strict)
      : encoder_(encoder),
        session_(encoder.image),
        capacity_(static_cast<size_t>(encoder.image->max_size("batch"))),
        strict_(strict) {
    check_image_size(encoder);
  }

  /// True when this sample completed a batch.
  bool add(data::Sample sample) {
    batch_.push_back(std::move(sample));
    if (batch_.size() < capacity_) return false;
    flush();
    return true;
  }

  [[nodiscard]] int64_t read() const { return read_; }

  EncodedImages finish() {
    if (!batch_.empty()) flush();
    if (result_.labels.empty()) fail_input("there is no readable image");
    result_.embeddings = as_matrix(features_, static_cast<int64_t>(result_.labels.size()));
    return std::move(result_);
  }

 private:
  void flush() {
    throw_if_interrupted();
    read_ += static_cast<int64_t>(batch_.size());
    const Tensor pixels = image_input(encoder_, batch_, strict_, result_.unreadable);
    if (!batch_.empty()) append_normalized(session_.run({&pixels, 1}).front(), features_);
    for (data::Sample& sample : batch_) {
      result_.labels.push_back(sample.label);
      result_.captions.push_back(std::move(sample.captions));
    }
    batch_.clear();
  }

  const Encoder& encoder_;
  runtime::Session session_;
  size_t capacity_;
  bool strict_;
  std::vector<data::Sample> batch_;
  std::vector<float> features_;
  EncodedImages result_;
  int64_t read_ = 0;
};

}  // namespace

EncodedImages encode_images(const Encoder& encoder, data::Dataset& dataset, bool strict,
                            const Progress& progress) {
  require(encoder.image, "image");
  ImageEncoder images(encoder, strict);
  dataset.rewind();
  while (std::optional<data::Sample> sample = dataset.next()) {
    if (images.add(std::move(*sample))) {
      report(progress, "images", images.read(), std::max<int64_t>(dataset.size(), 0));
    }
  }
  EncodedImages result = images.finish();
  report(progress, "images", images.read(), images.read());
  return result;
}

EncodedImages encode_samples(const Encoder& encoder, std::vector<data::Sample> samples) {
  require(encoder.image, "image");
  ImageEncoder images(encoder, true);
  for (data::Sample& sample : samples) images.add(std::move(sample));
  return images.finish();
}

}  // namespace octet::eval
