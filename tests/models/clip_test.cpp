#include "models/clip.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>

#include "checkpoint/safetensors.h"
#include "cpu/backend.h"
#include "runtime/engine.h"
#include "tensor/codecs.h"
#include "tensor/metrics.h"

namespace octet::models {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = OCTET_SOURCE_DIR;

/// FP32 rounding: summation order is all that may differ from the reference implementation.
struct Tolerance {
  double cosine = 0.999999;
  double max_relative = 1e-5;
};

const ClipModel& sample_model() {
  static const ClipModel model(checkpoint::open_checkpoint(kRoot / "examples/tinyclip"));
  return model;
}

const checkpoint::SafetensorsFile& golden() {
  static const auto file =
      checkpoint::read_safetensors(kRoot / "tests/golden/tinyclip/golden.safetensors");
  return file;
}

Tensor first_rows(const Tensor& tensor, int64_t rows) {
  Shape shape = tensor.shape();
  shape[0] = rows;
  const size_t bytes =
      tensor.size_bytes() / static_cast<size_t>(tensor.extent(0)) * static_cast<size_t>(rows);
  return Tensor::view(tensor.dtype(), shape, tensor.bytes().first(bytes),
                      std::make_shared<Tensor>(tensor))
      .clone();
}

void expect_close(const Tensor& value, const Tensor& reference, const std::string& what) {
  ASSERT_EQ(value.count(), reference.count()) << what;
  const Drift drift = compare(value.values<float>(), reference.values<float>());
  const Tolerance tolerance;
  EXPECT_GE(drift.cosine, tolerance.cosine) << what;
  EXPECT_LE(drift.max_relative, tolerance.max_relative) << what;
}

/// Rows of `features` divided by their norms.
Tensor normalized(const Tensor& features) {
  Tensor result = features.clone();
  const auto values = result.mutable_values<float>();
  const auto width = static_cast<size_t>(features.extent(1));
  for (size_t row = 0; row < values.size(); row += width) {
    double square = 0;
    for (size_t i = row; i < row + width; ++i) square += double{values[i]} * values[i];
    for (size_t i = row; i < row + width; ++i) {
      values[i] = static_cast<float>(values[i] / std::sqrt(square));
    }
  }
  return result;
}

struct TowerRun {
  Tensor output;
  std::map<std::string, Tensor> values;  ///< everything computed, by name
};

TowerRun run_tower(Tower tower, const runtime::Backend& backend, const Tensor& input) {
  runtime::CompileOptions options;
  options.disabled_passes = {"hoist_pooling"};  // every block in full
  options.symbols["batch"] = {1, input.extent(0), input.extent(0)};
  const auto engine = runtime::Engine::load(
      runtime::compile(sample_model().build(tower, {DType::f32}), backend, options), backend);
  runtime::Session session(engine);
  TowerRun result;
  const Graph& graph = engine->graph();
  session.set_hook([&](const Node& node, std::span<const runtime::Operand>,
                       std::span<const runtime::Operand> outputs) {
    result.values[graph.value(node.outputs[0]).name] = runtime::to_tensor(outputs[0]);
  });
  result.output = session.run_copied({&input, 1}).front();
  return result;
}

const runtime::Backend& backend_named(const std::string& name) {
  static const cpu::CpuBackend cpu_backend;
  static const cpu::ReferenceBackend reference;
  if (name == "cpu") return cpu_backend;
  return reference;
}

class GoldenActivations : public testing::TestWithParam<std::string> {};

TEST_P(GoldenActivations, ImageTowerBlockByBlock) {
  const Tensor pixels = golden().tensors.at("pixel_values");
  const TowerRun run = run_tower(Tower::image, backend_named(GetParam()), first_rows(pixels, 1));
  const std::string hidden = "hidden.vision_model.";
  for (int layer = 0; layer < 6; ++layer) {
    const std::string name = fmt::format("vision_model.encoder.layers.{}", layer);
    expect_close(run.values.at(name), golden().tensors.at(hidden + fmt::format("layer{}", layer)),
                 name);
  }
  for (const char* name : {"embeddings", "pre_layrnorm", "post_layernorm"}) {
    expect_close(run.values.at(std::string("vision_model.") + name),
                 golden().tensors.at(hidden + name), name);
  }
}

TEST_P(GoldenActivations, ImageEmbeddings) {
  const Tensor pixels = golden().tensors.at("pixel_values");
  const TowerRun run = run_tower(Tower::image, backend_named(GetParam()), pixels);
  expect_close(run.output, first_rows(golden().tensors.at("image_embeds"), 8), "image_embeds");
}

TEST_P(GoldenActivations, TextEmbeddings) {
  const TowerRun run =
      run_tower(Tower::text, backend_named(GetParam()), golden().tensors.at("input_ids"));
  expect_close(run.output, golden().tensors.at("text_embeds"), "text_embeds");
}

INSTANTIATE_TEST_SUITE_P(Backends, GoldenActivations, testing::Values("reference", "cpu"),
                         [](const auto& suite) { return suite.param; });

TEST(GoldenText, BlockByBlock) {
  const Tensor ids = first_rows(golden().tensors.at("input_ids"), 1);
  const TowerRun run = run_tower(Tower::text, backend_named("reference"), ids);
  const std::string hidden = "hidden.text_model.";
  for (int layer = 0; layer < 4; ++layer) {
    const std::string name = fmt::format("text_model.encoder.layers.{}", layer);
    expect_close(run.values.at(name), golden().tensors.at(hidden + fmt::format("layer{}", layer)),
                 name);
  }
  for (const char* name : {"embeddings", "final_layer_norm"}) {
    expect_close(run.values.at(std::string("text_model.") + name),
                 golden().tensors.at(hidden + name), name);
  }
}

TEST(GoldenLogits, PerImage) {
  const auto& model = sample_model();
  const Tensor images = normalized(golden().tensors.at("image_embeds"));
  const TowerRun run =
      run_tower(Tower::text, backend_named("cpu"), golden().tensors.at("input_ids"));
  const Tensor embeddings = normalized(run.output);
  Tensor logits(DType::f32, {64, 64});
  for (int64_t i = 0; i < 64; ++i) {
    for (int64_t t = 0; t < 64; ++t) {
      double sum = 0;
      for (int64_t k = 0; k < 192; ++k) {
        sum +=
            double{element_as_f32(images, i * 192 + k)} * element_as_f32(embeddings, t * 192 + k);
      }
      logits.mutable_values<float>()[static_cast<size_t>(i * 64 + t)] =
          static_cast<float>(sum * model.logit_scale());
    }
  }
  expect_close(logits, golden().tensors.at("logits_per_image"), "logits_per_image");
}

TEST(ClipModel, NamesWhatIsMissingOrWrong) {
  checkpoint::Checkpoint broken = checkpoint::open_checkpoint(kRoot / "examples/tinyclip");
  const std::string name = "text_model.encoder.layers.1.mlp.fc1.weight";
  broken.tensors[name] = Tensor(DType::f16, {3, 3});
  try {
    ClipModel model(broken);
    FAIL() << "a wrong shape was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_input);
    EXPECT_NE(std::string(error.what()).find(name), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("[3, 3]"), std::string::npos);
  }
  broken.tensors.erase(name);
  EXPECT_THROW(ClipModel model(broken), Error);
}

TEST(ClipModel, AcceptsPrefixedNames) {
  checkpoint::Checkpoint original = checkpoint::open_checkpoint(kRoot / "examples/tinyclip");
  checkpoint::Checkpoint prefixed = original;
  prefixed.tensors.clear();
  for (const auto& [name, tensor] : original.tensors) prefixed.tensors["module." + name] = tensor;
  const ClipModel model(prefixed);
  EXPECT_EQ(model.tensor("visual_projection.weight"),
            original.tensors.at("visual_projection.weight"));
  EXPECT_EQ(first_difference(model.build(Tower::image, {DType::f16}),
                             sample_model().build(Tower::image, {DType::f16})),
            "");
}

TEST(ClipModel, BlocksAreNamed) {
  const Graph graph = sample_model().build(Tower::image, {DType::f16});
  const std::vector<std::string> blocks = block_outputs(graph);
  ASSERT_EQ(blocks.size(), 6U);
  EXPECT_EQ(blocks.front(), "vision_model.encoder.layers.0");
  EXPECT_EQ(blocks.back(), "vision_model.encoder.layers.5");
}

}  // namespace
}  // namespace octet::models
