// FP8 checkpoints that other tools wrote, against the features those tools computed.
#include <gtest/gtest.h>

#include "api/backends.h"
#include "api/open_model.h"
#include "checkpoint/safetensors.h"
#include "models/clip.h"
#include "runtime/engine.h"
#include "tensor/codecs.h"
#include "tensor/metrics.h"
#include "tests/expect_error.h"

namespace octet::api {
namespace {

namespace fs = std::filesystem;
using models::Tower;

const fs::path kInterop = fs::path(OCTET_SOURCE_DIR) / "tests/golden/interop";

/// Cosines that must be reached, per sample.
struct Bars {
  double mean = 0;
  double minimum = 0;
};

struct Cosines {
  double mean = 0;
  double minimum = 1;
};

Cosines cosines(const Tensor& value, const Tensor& reference) {
  const Tensor a = convert(value, DType::f32);
  const Tensor b = convert(reference, DType::f32);
  EXPECT_EQ(a.shape(), b.shape());
  const auto rows = static_cast<size_t>(a.extent(0));
  const auto width = static_cast<size_t>(a.count()) / rows;
  Cosines result;
  for (size_t row = 0; row < rows; ++row) {
    const double cosine = compare(a.values<float>().subspan(row * width, width),
                                  b.values<float>().subspan(row * width, width))
                              .cosine;
    result.mean += cosine / static_cast<double>(rows);
    result.minimum = std::min(result.minimum, cosine);
  }
  return result;
}

OpenOptions exact_options() {
  OpenOptions options;
  options.precision = DType::f32;
  options.as_stored = true;
  return options;
}

Tensor input_of(Tower tower, const checkpoint::SafetensorsFile& reference) {
  return tower == Tower::text ? reference.tensors.at("input_ids")
                              : convert(reference.tensors.at("pixel_values"), DType::f32);
}

std::shared_ptr<const runtime::Engine> engine_of(Graph graph, int64_t batch) {
  const runtime::Backend& device = backend("cpu");
  runtime::CompileOptions options;
  options.symbols["batch"] = {1, batch, batch};
  return runtime::Engine::load(runtime::compile(std::move(graph), device, options), device);
}

void expect_features(const fs::path& folder, const fs::path& references, const std::string& prefix,
                     const Bars& bars) {
  const auto reference = checkpoint::read_safetensors(kInterop / references);
  ModelGraphs graphs = open_graphs(find_graphs(kInterop / folder), exact_options());
  ASSERT_EQ(graphs.towers.size(), 2U);
  for (auto& [tower, graph] : graphs.towers) {
    const Tensor input = input_of(tower, reference);
    const auto engine = engine_of(std::move(graph), input.extent(0));
    const Tensor features = runtime::Session(engine).run_copied({&input, 1}).front();
    const std::string name = fmt::format("{}{}_features", prefix, models::name_of(tower));
    const Cosines found = cosines(features, reference.tensors.at(name));
    EXPECT_GE(found.mean, bars.mean) << name;
    EXPECT_GE(found.minimum, bars.minimum) << name;
  }
}

TEST(ModelOptimizer, EmbeddingsFollowItsFakeQuantization) {
  expect_features("random/mini-clip/modelopt-ckpt", "random/mini-clip/reference.safetensors",
                  "fakequant_fp32.", {0.998, 0.995});
}

TEST(ModelOptimizer, BlocksFollowItsFakeQuantization) {
  const auto reference =
      checkpoint::read_safetensors(kInterop / "random/mini-clip/reference.safetensors");
  ModelGraphs graphs =
      open_graphs(find_graphs(kInterop / "random/mini-clip/modelopt-ckpt"), exact_options());
  for (auto& [tower, graph] : graphs.towers) {
    const std::string prefix = tower == Tower::text ? "text_model" : "vision_model";
    const Tensor all = input_of(tower, reference);
    const auto engine = engine_of(std::move(graph), all.extent(0));
    runtime::Session session(engine);
    const Graph& lowered = engine->graph();
    std::map<std::string, Tensor> blocks;
    std::vector<int32_t> ends;
    session.set_hook([&](const Node& node, std::span<const runtime::Operand>,
                         std::span<const runtime::Operand> outputs) {
      const std::string& name = lowered.value(node.outputs[0]).name;
      if (node.is("RowRanges", kOctetDomain)) {
        const auto* bounds = outputs[0].as<int32_t>();
        ends.assign(bounds, bounds + outputs[0].count());
      }
      if (name.find(".encoder.layers.") != std::string::npos) {
        blocks[name] = runtime::to_tensor(outputs[0]);
      }
    });
    session.run({&all, 1});
    // The first block reads what no quantizer has touched, so its output alone is comparable here.
    const Tensor stored = reference.tensors.at(fmt::format("fakequant_fp32.{}.layer0", prefix));
    const Tensor& ours = blocks.at(prefix + ".encoder.layers.0");
    const auto width = static_cast<size_t>(stored.extent(2));
    const auto length = static_cast<size_t>(stored.extent(1));
    for (size_t sample = 0; sample < static_cast<size_t>(stored.extent(0)); ++sample) {
      const size_t begin = ends.empty() ? sample * length : static_cast<size_t>(ends[2 * sample]);
      const size_t rows = ends.empty() ? length : static_cast<size_t>(ends[2 * sample + 1]) - begin;
      const Drift drift =
          compare(ours.values<float>().subspan(begin * width, rows * width),
                  stored.values<float>().subspan(sample * length * width, rows * width));
      EXPECT_GE(drift.cosine, 0.9999) << prefix << " sample " << sample;
    }
  }
}

TEST(UnifiedLayout, EmbeddingsStayCloseToTheModel) {
  expect_features("hf-fp8/clip-fp8", "random/mini-clip/reference.safetensors", "fp32.",
                  {0.99, 0.98});
}

TEST(CompressedTensors, StaticScales) {
  expect_features("hf-fp8/clip-compressed-tensors-static",
                  "hf-fp8/clip-compressed-tensors-static/reference.safetensors", "", {0.995, 0.99});
}

TEST(CompressedTensors, DynamicScales) {
  expect_features("hf-fp8/clip-compressed-tensors-dynamic",
                  "hf-fp8/clip-compressed-tensors-dynamic/reference.safetensors", "",
                  {0.995, 0.99});
}

TEST(Backends, AMissingDeviceAndAnUnknownNameDiffer) {
  test::expect_error(ErrorCode::device_unavailable, {"CUDA"}, [] { backend("cuda"); });
  test::expect_error(ErrorCode::usage, {"abacus", "reference"}, [] { backend("abacus"); });
}

TEST(ModelFolder, SaysWhatItLookedFor) {
  test::expect_error(ErrorCode::bad_input, {"text.plan", "text.onnx", "config.json"},
                     [] { find_model(fs::path(OCTET_SOURCE_DIR) / "docs"); });
}

}  // namespace
}  // namespace octet::api
