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
  options.disabled_passes = {"hoist_pooling"};  // blocks are compared in full
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

/// Compares every block of a tower that runs with what Model Optimizer stored of it, and then puts
/// the stored values in its place, so that the next block reads what its original read.
class BlockCheck {
 public:
  BlockCheck(const Graph& graph, const checkpoint::SafetensorsFile& reference, std::string prefix)
      : graph_(graph), reference_(reference), prefix_(std::move(prefix)) {}

  void see(const Node& node, const runtime::Operand& output) {
    if (node.is("RowRanges", kOctetDomain)) {
      const auto* bounds = output.as<int32_t>();
      ranges_.assign(bounds, bounds + output.count());
    }
    const std::string next = fmt::format("{}.encoder.layers.{}", prefix_, cosines_.size());
    if (graph_.value(node.outputs.front()).name == next) compare_block(output);
  }

  /// Of each block, in their order.
  [[nodiscard]] const std::vector<Cosines>& cosines() const { return cosines_; }

 private:
  void compare_block(const runtime::Operand& output) {
    const Tensor stored =
        reference_.tensors.at(fmt::format("fakequant_fp32.{}.layer{}", prefix_, cosines_.size()));
    const auto width = static_cast<size_t>(stored.extent(2));
    const auto length = static_cast<size_t>(stored.extent(1));
    const auto samples = static_cast<size_t>(stored.extent(0));
    Cosines found;
    for (size_t sample = 0; sample < samples; ++sample) {
      // A text engine keeps the rows up to the end of each text, one text after the other.
      const size_t begin = ranges_.empty() ? sample * length : bound(2 * sample);
      const size_t rows = ranges_.empty() ? length : bound(2 * sample + 1) - begin;
      const std::span<float> ours(output.as<float>() + begin * width, rows * width);
      const auto theirs = stored.values<float>().subspan(sample * length * width, rows * width);
      const double cosine = compare(ours, theirs).cosine;
      found.mean += cosine / static_cast<double>(samples);
      found.minimum = std::min(found.minimum, cosine);
      std::ranges::copy(theirs, ours.begin());
    }
    cosines_.push_back(found);
  }

  [[nodiscard]] size_t bound(size_t index) const { return static_cast<size_t>(ranges_[index]); }

  const Graph& graph_;
  const checkpoint::SafetensorsFile& reference_;
  std::string prefix_;
  std::vector<int32_t> ranges_;
  std::vector<Cosines> cosines_;
};

TEST(ModelOptimizer, EveryBlockFollowsItsFakeQuantization) {
  const auto reference =
      checkpoint::read_safetensors(kInterop / "random/mini-clip/reference.safetensors");
  ModelGraphs graphs =
      open_graphs(find_graphs(kInterop / "random/mini-clip/modelopt-ckpt"), exact_options());
  ASSERT_EQ(graphs.towers.size(), 2U);
  for (auto& [tower, graph] : graphs.towers) {
    const Tensor input = input_of(tower, reference);
    const auto engine = engine_of(std::move(graph), input.extent(0));
    BlockCheck check(engine->graph(), reference,
                     tower == Tower::text ? "text_model" : "vision_model");
    runtime::Session session(engine);
    session.set_hook(
        [&](const Node& node, std::span<const runtime::Operand>,
            std::span<const runtime::Operand> outputs) { check.see(node, outputs.front()); });
    session.run({&input, 1});
    ASSERT_EQ(check.cosines().size(), 2U) << models::name_of(tower);
    for (const Cosines& block : check.cosines()) {
      EXPECT_GE(block.mean, 0.9999) << models::name_of(tower);
      EXPECT_GE(block.minimum, 0.9999) << models::name_of(tower);
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
  test::expect_error(ErrorCode::device_unavailable, {"CUDA"}, [] { backend("cuda:99"); });
  test::expect_error(ErrorCode::usage, {"abacus", "reference"}, [] { backend("abacus"); });
}

TEST(ModelFolder, SaysWhatItLookedFor) {
  test::expect_error(ErrorCode::bad_input, {"text.plan", "text.onnx", "config.json"},
                     [] { find_model(fs::path(OCTET_SOURCE_DIR) / "docs"); });
}

}  // namespace
}  // namespace octet::api
