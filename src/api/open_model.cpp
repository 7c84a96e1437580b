#include "api/open_model.h"

#include "api/backends.h"
#include "base/error.h"
#include "base/log.h"
#include "onnx/import.h"
#include "quant/apply_stored.h"
#include "runtime/plan.h"

namespace octet::api {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLogitScale = "octet.logit_scale";

float number_or(const std::map<std::string, std::string>& metadata, const char* key,
                float fallback) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? fallback : std::strtof(found->second.c_str(), nullptr);
}

ModelGraphs onnx_graphs(const fs::path& folder) {
  ModelGraphs graphs;
  for (const models::Tower tower : towers_in(folder, ModelKind::onnx)) {
    onnx::ImportResult file = onnx::import_file(tower_file(folder, tower, ModelKind::onnx));
    for (const std::string& notice : file.notices) log_info("{}", notice);
    graphs.logit_scale = number_or(file.metadata, kLogitScale, graphs.logit_scale);
    file.graph.set_name(std::string(models::name_of(tower)));
    graphs.towers.emplace(tower, std::move(file.graph));
  }
  return graphs;
}

std::shared_ptr<const runtime::Engine> compile_engine(Graph graph, const OpenOptions& options) {
  runtime::CompileOptions compile_options;
  compile_options.symbols["batch"] = {1, options.max_batch, options.max_batch};
  runtime::Plan plan = compile_for(options.backend, std::move(graph), compile_options);
  const runtime::Backend& device = backend_for(options.backend, plan);
  return runtime::Engine::load(std::move(plan), device);
}

void set_engine(eval::Encoder& encoder, models::Tower tower,
                std::shared_ptr<const runtime::Engine> engine) {
  (tower == models::Tower::text ? encoder.text : encoder.image) = std::move(engine);
}

void load_engines(const ModelFolder& files, const OpenOptions& options, eval::Encoder& encoder) {
  if (files.kind == ModelKind::plan) {
    for (const models::Tower tower : towers_in(files.folder, ModelKind::plan)) {
      runtime::Plan plan = runtime::load_plan(tower_file(files.folder, tower, ModelKind::plan));
      encoder.logit_scale = plan.facts.value("logit_scale", encoder.logit_scale);
      const runtime::Backend& device = backend_for(options.backend, plan);
      set_engine(encoder, tower, runtime::Engine::load(std::move(plan), device));
    }
    return;
  }
  ModelGraphs graphs = open_graphs(files, options);
  encoder.logit_scale = graphs.logit_scale;
  for (auto& [tower, graph] : graphs.towers) {
    set_engine(encoder, tower, compile_engine(std::move(graph), options));
  }
}

int image_size(const eval::Encoder& encoder) {
  if (encoder.image == nullptr) return 224;
  const Graph& graph = encoder.image->graph();
  return static_cast<int>(graph.value(graph.inputs().front()).dims.at(2).size());
}

void load_tokenizer(const fs::path& folder, const OpenOptions& options, eval::Encoder& encoder) {
  if (encoder.text == nullptr) return;
  if (!fs::exists(folder / "tokenizer.json") && !fs::exists(folder / "vocab.json")) return;
  const Graph& graph = encoder.text->graph();
  data::TokenizerOptions tokenizer;
  tokenizer.max_length = graph.value(graph.inputs().front()).dims.at(1).size();
  if (options.tokenizer) tokenizer.pipeline = *options.tokenizer;
  encoder.tokenizer = data::Tokenizer::from_folder(folder, tokenizer);
}

}  // namespace

ModelGraphs checkpoint_graphs(const models::ClipModel& model, const OpenOptions& options) {
  ModelGraphs graphs;
  graphs.logit_scale = model.logit_scale();
  for (const models::Tower tower : {models::Tower::text, models::Tower::image}) {
    if (!model.has(tower)) continue;
    Graph graph = model.build(tower, {options.precision});
    if (const auto& stored = model.checkpoint().quantization) {
      quant::apply_stored(graph, *stored, {options.as_stored});
    }
    graphs.towers.emplace(tower, std::move(graph));
  }
  return graphs;
}

ModelGraphs open_graphs(const ModelFolder& model, const OpenOptions& options) {
  switch (model.kind) {
    case ModelKind::onnx:
      return onnx_graphs(model.folder);
    case ModelKind::checkpoint:
      return checkpoint_graphs(models::ClipModel(checkpoint::open_checkpoint(model.folder)),
                               options);
    default:
      fail_input("'{}' holds plans, whose graphs are lowered; give its checkpoint or ONNX files",
                 model.folder.string());
  }
}

OpenModel open_model(const fs::path& path, const OpenOptions& options) {
  OpenModel model{find_model(path), {}};
  if (!model.files.also_there.empty()) {
    log_info("'{}' holds several kinds of model; the {} in '{}' are used", path.string(),
             name_of(model.files.kind), model.files.folder.string());
  }
  load_engines(model.files, options, model.encoder);
  load_tokenizer(model.files.folder, options, model.encoder);
  model.encoder.preprocessor =
      data::Preprocessor::from_folder(model.files.folder, image_size(model.encoder));
  if (options.preprocess) model.encoder.preprocessor.order = *options.preprocess;
  return model;
}

}  // namespace octet::api
