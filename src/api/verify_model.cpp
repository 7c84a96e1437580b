#include "api/verify_model.h"

#include <algorithm>

#include "api/backends.h"
#include "base/error.h"
#include "base/log.h"
#include "data/dataset.h"

namespace octet::api {
namespace {

/// Small, because the reference keeps every block of every sample.
constexpr int64_t kLargestBatch = 4;

/// How many samples the model's engines take at once here.
int64_t batch_of(const eval::Encoder& encoder) {
  int64_t batch = kLargestBatch;
  for (const auto& engine : {encoder.text, encoder.image}) {
    if (engine != nullptr) batch = std::min(batch, engine->max_size("batch"));
  }
  return batch;
}

std::shared_ptr<const runtime::Engine> reference_engine(Graph graph, int64_t batch) {
  const runtime::Backend& reference = backend("reference");
  runtime::CompileOptions options;
  options.symbols["batch"] = {1, batch, batch};
  return runtime::Engine::load(runtime::compile(std::move(graph), reference, options), reference);
}

struct Batches {
  std::vector<Tensor> images;
  std::vector<Tensor> texts;
};

/// At most `count` samples.
std::vector<data::Sample> next_samples(data::Dataset& dataset, int64_t count) {
  std::vector<data::Sample> samples;
  while (static_cast<int64_t>(samples.size()) < count) {
    std::optional<data::Sample> sample = dataset.next();
    if (!sample) break;
    samples.push_back(std::move(*sample));
  }
  return samples;
}

void add_texts(const eval::Encoder& encoder, const std::vector<data::Sample>& samples,
               std::vector<Tensor>& batches) {
  std::vector<std::string> texts;
  for (const data::Sample& sample : samples) {
    if (!sample.captions.empty()) texts.push_back(sample.captions.front());
  }
  if (texts.empty() || encoder.text == nullptr) return;
  int64_t truncated = 0;
  batches.push_back(eval::text_input(encoder, texts, truncated));
}

void add_images(const eval::Encoder& encoder, std::vector<data::Sample> samples,
                std::vector<Tensor>& batches) {
  const data::Sample& first = samples.front();
  const bool has_images = !first.encoded.empty() || first.raw.has_value();
  if (!has_images || encoder.image == nullptr) return;
  int64_t unreadable = 0;
  Tensor pixels = eval::image_input(encoder, samples, false, unreadable);
  if (!samples.empty()) batches.push_back(std::move(pixels));
}

/// The first samples of the dataset, `batch` at a time; of each its first caption.
Batches read_batches(const eval::Encoder& encoder, const VerifyInputs& inputs, int64_t batch) {
  const auto dataset = data::open_dataset(inputs.data);
  Batches batches;
  for (int64_t left = inputs.samples; left > 0;) {
    std::vector<data::Sample> samples = next_samples(*dataset, std::min(batch, left));
    if (samples.empty()) break;
    left -= static_cast<int64_t>(samples.size());
    add_texts(encoder, samples, batches.texts);
    add_images(encoder, std::move(samples), batches.images);
  }
  return batches;
}

}  // namespace

std::vector<eval::TowerReport> verify_model(const std::filesystem::path& engine,
                                            const std::filesystem::path& reference,
                                            const VerifyInputs& inputs, const OpenOptions& options,
                                            const Progress& progress) {
  OpenModel candidate = open_model(engine, options);
  ModelGraphs graphs = open_graphs(find_graphs(reference), options);
  const int64_t batch = batch_of(candidate.encoder);
  const Batches batches = read_batches(candidate.encoder, inputs, batch);
  std::vector<eval::TowerReport> reports;
  for (auto& [tower, graph] : graphs.towers) {
    const bool text = tower == models::Tower::text;
    const auto& own = text ? candidate.encoder.text : candidate.encoder.image;
    const std::vector<Tensor>& given = text ? batches.texts : batches.images;
    if (own == nullptr || given.empty()) {
      log_warning("the {} tower is not verified: {}", models::name_of(tower),
                  own == nullptr ? "the engine lacks it" : "the data has nothing for it");
      continue;
    }
    const eval::VerifyTolerance tolerance =
        eval::with_bars(eval::tolerance_for(own->plan().backend), inputs.bars);
    reports.push_back(eval::verify_tower(reference_engine(std::move(graph), batch), own, given,
                                         tolerance, progress));
  }
  if (reports.empty()) {
    fail_input("'{}' has neither images nor captions that the model takes", inputs.data.string());
  }
  return reports;
}

}  // namespace octet::api
