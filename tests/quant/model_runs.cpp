#include "tests/quant/model_runs.h"

#include <algorithm>
#include <filesystem>

#include "cpu/backend.h"
#include "runtime/engine.h"
#include "tensor/codecs.h"
#include "tensor/metrics.h"

namespace octet::quant::test {

models::ClipModel open_model(const std::string& path) {
  return models::ClipModel(
      checkpoint::open_checkpoint(std::filesystem::path(OCTET_SOURCE_DIR) / path));
}

const models::ClipModel& mini_clip() {
  static const models::ClipModel model = open_model("tests/golden/interop/random/mini-clip");
  return model;
}

const models::ClipModel& tinyclip() {
  static const models::ClipModel model = open_model("examples/tinyclip");
  return model;
}

const runtime::Backend& cpu() {
  static const octet::cpu::CpuBackend backend;
  return backend;
}

const runtime::Backend& reference() {
  static const octet::cpu::ReferenceBackend backend;
  return backend;
}

Tensor run(const Graph& graph, const runtime::Backend& backend, const Tensor& input) {
  runtime::CompileOptions options;
  options.symbols["batch"] = {1, input.extent(0), input.extent(0)};
  const auto engine = runtime::Engine::load(runtime::compile(graph, backend, options), backend);
  const DType wanted = graph.value(graph.inputs().front()).dtype;
  const Tensor fed = is_float(wanted) ? convert(input, wanted) : input;
  return convert(runtime::Session(engine).run_copied({&fed, 1}).front(), DType::f32);
}

RowCosines row_cosines(const Tensor& value, const Tensor& reference) {
  const int64_t rows = reference.extent(0);
  const auto width = static_cast<size_t>(reference.count() / rows);
  RowCosines result;
  for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
    const double cosine = compare(value.values<float>().subspan(row * width, width),
                                  reference.values<float>().subspan(row * width, width))
                              .cosine;
    result.mean += cosine / static_cast<double>(rows);
    result.minimum = std::min(result.minimum, cosine);
  }
  return result;
}

int64_t count_nodes(const Graph& graph, std::string_view op, std::string_view domain) {
  return std::ranges::count_if(graph.order(),
                               [&](NodeId id) { return graph.node(id).is(op, domain); });
}

}  // namespace octet::quant::test
