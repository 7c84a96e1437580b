// Whole models: every tower at batch 1, 8 and 32, images per second and the share of the peak of
// registers alone. Of a checkpoint in FP32, FP16 and FP8; of plans as they are. Texts are as long
// as the captions of the sample model's evaluation set.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <functional>

#include "api/artifacts.h"
#include "api/backends.h"
#include "base/error.h"
#include "bench/benches.h"
#include "bench/model_run.h"
#include "bench/peak.h"
#include "cpu/matrix.h"
#include "models/create.h"
#include "quant/quantize.h"

namespace octet::bench {
namespace {

namespace fs = std::filesystem;
using models::Tower;

constexpr int64_t kBatches[] = {1, 8, 32};
const fs::path kSample = fs::path(OCTET_SOURCE_DIR) / "examples/tinyclip";

/// A folder that is removed when the program ends.
class ScratchFolder {
 public:
  ScratchFolder() : path_(fs::temp_directory_path() / fmt::format("octet-bench-{}", ::getpid())) {
    fs::create_directories(path_);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

const fs::path& scratch() {
  static const ScratchFolder folder;
  return folder.path();
}

models::ClipModel open_checkpoint(const fs::path& folder) {
  return models::ClipModel(checkpoint::open_checkpoint(folder));
}

/// ViT-B-32 with random weights and the tokenizer of the sample model, whose end token is the
/// largest id.
fs::path create_random_checkpoint() {
  fs::path folder = scratch() / "ViT-B-32";
  if (fs::exists(folder)) return folder;
  models::ClipConfig config = models::architecture("ViT-B-32");
  config.text.eos_token_id = 2;  // the largest id, as old files have it
  models::create_checkpoint(config, folder, {}, {});
  fs::copy_file(kSample / "tokenizer.json", folder / "tokenizer.json");
  return folder;
}

/// The checkpoint in FP8: calibrated on a few samples, which decide nothing about its speed.
models::ClipModel quantize(const models::ClipModel& model) {
  const fs::path folder = scratch() / (model.checkpoint().folder.filename().string() + "-fp8");
  if (!fs::exists(folder)) {
    const auto resolved = quant::resolve(quant::open_recipe("fp8"), quant::find_points(model));
    auto data = quant::CalibrationData::open(model, {kSample / "calib"}, {.size = 4});
    const auto quantized = quant::quantize(model, resolved, &data, api::backend("cpu"), {});
    quant::save_quantized_model(quantized, model, folder, "");
  }
  return open_checkpoint(folder);
}

runtime::Plan compile(Graph graph) {
  runtime::CompileOptions options;
  options.symbols["batch"] = {1, 1, *std::ranges::max_element(kBatches)};
  return runtime::compile(std::move(graph), api::backend("cpu"), options);
}

/// One tower in one precision, made when it is first run.
struct Candidate {
  std::string name;
  DType precision;  ///< of its products
  std::function<runtime::Plan()> make;
};

/// The engine that ran last; one at a time is kept.
std::shared_ptr<const runtime::Engine> engine_of(const Candidate& candidate) {
  static std::string name;
  static std::shared_ptr<const runtime::Engine> engine;
  if (name != candidate.name) {
    engine.reset();
    runtime::Plan plan = candidate.make();
    const runtime::Backend& backend = api::backend(plan.backend);
    engine = runtime::Engine::load(std::move(plan), backend);
    name = candidate.name;
  }
  return engine;
}

void run_model(benchmark::State& state, const Candidate& candidate, int64_t batch, double peak) {
  runtime::Session session(engine_of(candidate));
  static const std::vector<int64_t> lengths =
      caption_lengths(kSample / "eval/retrieval", kSample, *std::ranges::max_element(kBatches));
  const auto inputs = model_inputs(session.engine().graph(), batch, lengths);
  const double flops = flops_of_run(session, inputs);
  for (auto _ : state) session.run(inputs);
  const auto runs = static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["samples/s"] = Counter(runs * static_cast<double>(batch), Counter::kIsRate);
  state.counters["FLOP/s"] = Counter(runs * flops, Counter::kIsRate);
  state.counters["of_peak"] = Counter(runs * flops / peak, Counter::kIsRate);
}

Candidate of_checkpoint(const std::string& label, const fs::path& folder, Tower tower,
                        DType precision) {
  const auto make = [=] {
    models::ClipModel model = open_checkpoint(folder.empty() ? create_random_checkpoint() : folder);
    const bool narrow = precision == DType::f8e4m3;
    if (narrow && !model.checkpoint().quantization) model = quantize(model);
    api::OpenOptions options;
    options.precision = narrow ? DType::f16 : precision;
    return compile(std::move(api::checkpoint_graphs(model, options).towers.at(tower)));
  };
  return {fmt::format("model/{}/{}/{}", label, models::name_of(tower), name_of(precision)),
          precision, make};
}

/// Every tower and precision of a checkpoint; of one that is quantized only E4M3. An empty folder
/// stands for ViT-B-32 with random weights.
std::vector<Candidate> candidates_of_checkpoint(const fs::path& folder) {
  const bool random = folder.empty();
  std::vector<DType> precisions = {DType::f32, DType::f16, DType::f8e4m3};
  if (!random && checkpoint::open_checkpoint(folder).quantization) precisions = {DType::f8e4m3};
  const std::string label = random ? "ViT-B-32" : fs::absolute(folder).filename().string();
  std::vector<Candidate> candidates;
  for (const Tower tower : {Tower::text, Tower::image}) {
    for (const DType precision : precisions) {
      candidates.push_back(of_checkpoint(label, folder, tower, precision));
    }
  }
  return candidates;
}

Candidate of_plan(const fs::path& file) {
  const runtime::Plan plan = runtime::load_plan(file);
  const bool narrow = plan.facts.value("products_fp8", 0) > 0;
  return {fmt::format("model/{}", file.string()), narrow ? DType::f8e4m3 : DType::f32,
          [file] { return runtime::load_plan(file); }};
}

}  // namespace

void register_models(const std::vector<std::string>& paths) {
  std::vector<Candidate> candidates;
  for (const fs::path path : paths) {
    if (!fs::is_directory(path)) {
      candidates.push_back(of_plan(path));
    } else {
      std::ranges::move(candidates_of_checkpoint(path), std::back_inserter(candidates));
    }
  }
  if (paths.empty()) candidates = candidates_of_checkpoint({});
  const double f32 = f32_peak();
  const double e4m3 = e4m3_peak(cpu::matrix_set().name);
  for (const Candidate& candidate : candidates) {
    for (const int64_t batch : kBatches) {
      const std::string label = fmt::format("{}/batch{}", candidate.name, batch);
      benchmark::RegisterBenchmark(label.c_str(), run_model, candidate, batch,
                                   candidate.precision == DType::f8e4m3 ? e4m3 : f32)
          ->UseRealTime()
          ->MeasureProcessCPUTime()
          ->MinTime(1.0)
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace octet::bench
