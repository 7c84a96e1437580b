#include <cmath>
#include <memory>

#include "api/open_model.h"
#include "base/error.h"
#include "base/files.h"
#include "checkpoint/safetensors.h"
#include "eval/similarity.h"
#include "tensor/codecs.h"
#include "tools/octet/model_options.h"
#include "tools/octet/output.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

struct RunFlags {
  std::string model;
  std::string inputs;
  std::string outputs;
  std::vector<std::string> texts;
  std::vector<std::string> images;
  std::shared_ptr<ModelOptions> options;
};

/// Rows [begin, begin + count) along the first axis.
Tensor rows_of(const Tensor& tensor, int64_t begin, int64_t count) {
  Shape shape = tensor.shape();
  const size_t row = tensor.size_bytes() / static_cast<size_t>(shape[0]);
  shape[0] = count;
  return Tensor::view(
      tensor.dtype(), shape,
      tensor.bytes().subspan(static_cast<size_t>(begin) * row, static_cast<size_t>(count) * row),
      std::make_shared<Tensor>(tensor));
}

/// Runs a tower on all rows of its input, in batches that the engine takes. F32 features.
Tensor run_rows(const std::shared_ptr<const runtime::Engine>& engine, const Tensor& given) {
  const Value& input = engine->graph().value(engine->graph().inputs().front());
  if (given.rank() == 0 || given.extent(0) == 0) {
    fail_input("input '{}' is empty", input.name);
  }
  const Tensor converted = is_float(input.dtype) ? convert(given, input.dtype) : given;
  const int64_t batch = engine->max_size("batch");
  runtime::Session session(engine);
  std::vector<float> features;
  for (int64_t begin = 0; begin < given.extent(0); begin += batch) {
    throw_if_interrupted();
    const Tensor part = rows_of(converted, begin, std::min(batch, given.extent(0) - begin));
    const runtime::Operand& output = session.run({&part, 1}).front();
    const size_t old_size = features.size();
    features.resize(old_size + static_cast<size_t>(output.count()));
    convert_to_f32(output.dtype, {output.data, output.size_bytes()},
                   std::span(features).subspan(old_size));
  }
  const auto width = static_cast<int64_t>(features.size()) / given.extent(0);
  return Tensor::from<float>({given.extent(0), width}, features);
}

void run_tensors(const RunFlags& flags, const api::OpenModel& model) {
  if (flags.outputs.empty()) fail(ErrorCode::usage, "--inputs needs --outputs FILE.safetensors");
  const auto file = checkpoint::read_safetensors(flags.inputs);
  std::vector<checkpoint::NamedTensor> outputs;
  for (const auto& [tower, engine] : {std::pair(models::Tower::text, model.encoder.text),
                                      {models::Tower::image, model.encoder.image}}) {
    const std::string input = fmt::format("{}_input", models::name_of(tower));
    const auto found = file.tensors.find(input);
    if (found == file.tensors.end()) continue;
    if (engine == nullptr) fail_input("'{}' has no {} tower", flags.model, models::name_of(tower));
    outputs.push_back(
        {fmt::format("{}_features", models::name_of(tower)), run_rows(engine, found->second)});
  }
  if (outputs.empty()) {
    fail_input("'{}' holds neither 'text_input' nor 'image_input'", flags.inputs);
  }
  checkpoint::write_safetensors(flags.outputs, outputs);
}

/// Image files as a dataset of their own.
eval::EncodedImages encode_files(const eval::Encoder& encoder,
                                 const std::vector<std::string>& files) {
  std::vector<data::Sample> samples;
  for (const std::string& file : files) {
    const auto mapped = MappedFile::open(file);
    data::Sample sample;
    sample.key = file;
    sample.encoded.assign(mapped->bytes().begin(), mapped->bytes().end());
    samples.push_back(std::move(sample));
  }
  return eval::encode_samples(encoder, std::move(samples));
}

OrderedJson embeddings_json(const Tensor& embeddings) {
  OrderedJson rows = OrderedJson::array();
  const auto values = embeddings.values<float>();
  const auto width = static_cast<size_t>(embeddings.extent(1));
  for (size_t row = 0; row < values.size(); row += width) {
    rows.push_back(std::vector<float>(values.begin() + static_cast<ptrdiff_t>(row),
                                      values.begin() + static_cast<ptrdiff_t>(row + width)));
  }
  return rows;
}

/// softmax of scale * cosine over the texts
std::vector<double> probabilities(std::span<const float> cosines, float scale) {
  const float best = *std::ranges::max_element(cosines);
  std::vector<double> result;
  double sum = 0;
  for (const float cosine : cosines) {
    result.push_back(std::exp(double{scale} * (cosine - best)));
    sum += result.back();
  }
  for (double& value : result) value /= sum;
  return result;
}

void run_similarities(const RunFlags& flags, const eval::Encoder& encoder, const Tensor& texts,
                      const Tensor& images, const Context& context) {
  OrderedJson document = OrderedJson::array();
  Table table({"image", "text", "cosine", "probability"});
  for (size_t image = 0; image < flags.images.size(); ++image) {
    std::vector<float> cosines;
    eval::for_each_similarity(rows_of(images, static_cast<int64_t>(image), 1), texts,
                              [&](int64_t, std::span<const float> scores) {
                                cosines.assign(scores.begin(), scores.end());
                              });
    const std::vector<double> shares = probabilities(cosines, encoder.logit_scale);
    for (size_t text = 0; text < flags.texts.size(); ++text) {
      table.add_row({flags.images[image], flags.texts[text], fmt::format("{:.4f}", cosines[text]),
                     fmt::format("{:.4f}", shares[text])});
      document.push_back({{"image", flags.images[image]},
                          {"text", flags.texts[text]},
                          {"cosine", cosines[text]},
                          {"probability", shares[text]}});
    }
  }
  context.json ? print_json(document) : print_text(table.text());
}

void run_content(const RunFlags& flags, const eval::Encoder& encoder, const Context& context) {
  Tensor texts;
  Tensor images;
  if (!flags.texts.empty()) texts = eval::encode_texts(encoder, flags.texts, {});
  if (!flags.images.empty()) images = encode_files(encoder, flags.images).embeddings;
  if (!flags.texts.empty() && !flags.images.empty()) {
    return run_similarities(flags, encoder, texts, images, context);
  }
  const bool text = !flags.texts.empty();
  const std::vector<std::string>& names = text ? flags.texts : flags.images;
  OrderedJson rows = embeddings_json(text ? texts : images);
  OrderedJson document = OrderedJson::array();
  for (size_t i = 0; i < names.size(); ++i) {
    document.push_back({{text ? "text" : "image", names[i]}, {"embedding", rows[i]}});
  }
  print_json(document);
}

void run_model(const RunFlags& flags, const Context& context) {
  const bool content = !flags.texts.empty() || !flags.images.empty();
  if (flags.inputs.empty() == !content) {
    fail(ErrorCode::usage, "give --inputs FILE with --outputs FILE, or --text and --image");
  }
  const api::OpenModel model = api::open_model(flags.model, flags.options->parsed());
  content ? run_content(flags, model.encoder, context) : run_tensors(flags, model);
}

}  // namespace

void add_run(CLI::App& app, Context& context) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* verb = add_verb(app, context, "run", "run a model on tensors, texts or images",
                            [flags, &context] { run_model(*flags, context); });
  verb->add_option("MODEL", flags->model, "folder of a checkpoint, ONNX files or plans")
      ->required();
  verb->add_option("--inputs", flags->inputs, "safetensors with text_input and/or image_input");
  verb->add_option("--outputs", flags->outputs,
                   "safetensors to write, text_features, image_features");
  verb->add_option("--text", flags->texts, "a text (repeatable)");
  verb->add_option("--image", flags->images, "an image file (repeatable)");
  flags->options = ModelOptions::add_to(*verb);
}

}  // namespace octet::cli
