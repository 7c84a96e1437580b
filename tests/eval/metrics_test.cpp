#include <gtest/gtest.h>

#include "checkpoint/checkpoint.h"
#include "cpu/backend.h"
#include "eval/retrieval.h"
#include "eval/similarity.h"
#include "eval/verify.h"
#include "eval/zeroshot.h"
#include "models/clip.h"

namespace octet::eval {
namespace {

const std::string kSample = std::string(OCTET_SOURCE_DIR) + "/examples/tinyclip";

TEST(Rank, CountsLargerScoresAndEarlierTies) {
  const std::vector<float> scores{0.5F, 0.9F, 0.5F, 0.1F};
  EXPECT_EQ(rank_of(scores, 1), 0);
  EXPECT_EQ(rank_of(scores, 0), 1);
  EXPECT_EQ(rank_of(scores, 2), 2);
  EXPECT_EQ(rank_of(scores, 3), 3);
}

TEST(Similarity, IsTheDotProduct) {
  const Tensor a = Tensor::from<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  const Tensor b = Tensor::from<float>({2, 3}, std::vector<float>{1, 0, 1, 0, 2, 0});
  std::vector<std::vector<float>> rows(2);
  for_each_similarity(a, b, [&](int64_t row, std::span<const float> scores) {
    rows[static_cast<size_t>(row)].assign(scores.begin(), scores.end());
  });
  EXPECT_EQ(rows[0], (std::vector<float>{4, 4}));
  EXPECT_EQ(rows[1], (std::vector<float>{10, 10}));
}

/// The sample model in FP32 on the CPU engine.
const Encoder& sample_encoder() {
  static const Encoder encoder = [] {
    static const cpu::CpuBackend backend;
    const models::ClipModel model(checkpoint::open_checkpoint(kSample));
    const auto compile = [&](models::Tower tower) {
      runtime::CompileOptions options;
      options.symbols["batch"] = {1, 32, 32};
      return runtime::Engine::load(
          runtime::compile(model.build(tower, {DType::f32}), backend, options), backend);
    };
    Encoder result;
    result.text = compile(models::Tower::text);
    result.image = compile(models::Tower::image);
    result.tokenizer = data::Tokenizer::from_folder(kSample, {});
    result.preprocessor = data::Preprocessor::from_folder(kSample, 64);
    return result;
  }();
  return encoder;
}

/// The published figures of the sample model, and how far from them is still the same.
constexpr double kPoint = 0.001;

TEST(SampleModel, ZeroShotAccuracy) {
  const auto dataset = data::open_dataset(kSample + "/eval/zeroshot");
  const ZeroShotResult result = evaluate_zero_shot(sample_encoder(), *dataset, {}, {});
  EXPECT_NEAR(result.acc1, 0.7617, kPoint);
  EXPECT_NEAR(result.acc5, 0.9725, kPoint);
  EXPECT_NEAR(result.mean_per_class_recall, 0.7617, kPoint);
  EXPECT_EQ(result.images, 1200);
}

TEST(SampleModel, RetrievalRecall) {
  const auto dataset = data::open_dataset(kSample + "/eval/retrieval");
  const RetrievalResult result = evaluate_retrieval(sample_encoder(), *dataset, {1, 5}, false, {});
  EXPECT_NEAR(result.image_recall.at(1), 0.8205, kPoint);
  EXPECT_NEAR(result.text_recall.at(1), 0.9250, kPoint);
  EXPECT_NEAR(result.image_recall.at(5), 0.9475, kPoint);
  EXPECT_EQ(result.texts, 4000);
  const OrderedJson metrics = metrics_of(result);
  EXPECT_TRUE(metrics.contains("image_retrieval_recall@1"));
  EXPECT_TRUE(metrics.contains("text_retrieval_recall@5"));
}

TEST(SampleModel, OpenAiOrderChangesTextRecall) {
#ifdef OCTET_SANITIZED
  GTEST_SKIP() << "one retrieval is enough where it takes ten minutes";
#endif
  Encoder encoder{sample_encoder().text, sample_encoder().image,
                  data::Tokenizer::from_folder(kSample, {}), sample_encoder().preprocessor};
  encoder.preprocessor.order = data::PreprocessOrder::openai;
  const auto dataset = data::open_dataset(kSample + "/eval/retrieval");
  const RetrievalResult result = evaluate_retrieval(encoder, *dataset, {1}, false, {});
  EXPECT_NEAR(result.text_recall.at(1), 0.9263, kPoint / 2);
}

TEST(ZeroShot, SaysWhatIsMissing) {
  const auto dataset = data::open_dataset(kSample + "/eval/retrieval");
  EXPECT_THROW(evaluate_zero_shot(sample_encoder(), *dataset, {}, {}), Error);
  ZeroShotOptions few;
  few.class_names = {"red circle"};
  few.templates = {"a photo of a {c}."};
  const auto labelled = data::open_dataset(kSample + "/eval/zeroshot");
  EXPECT_THROW(evaluate_zero_shot(sample_encoder(), *labelled, few, {}), Error)
      << "labels beyond the class names";
}

TEST(Verify, NamesTheBlockThatLeavesItsTolerance) {
  static const cpu::CpuBackend cpu_backend;
  static const cpu::ReferenceBackend reference;
  const models::ClipModel model(checkpoint::open_checkpoint(kSample));
  const auto engine = [&](const runtime::Backend& backend, bool damaged) {
    checkpoint::Checkpoint checkpoint = model.checkpoint();
    if (damaged) {
      const std::string name = "vision_model.encoder.layers.3.mlp.fc2.bias";
      Tensor bias = checkpoint.tensors.at(name).clone();
      std::ranges::fill(bias.mutable_values<uint16_t>(), uint16_t{0x4400});  // 4.0
      checkpoint.tensors[name] = bias;
    }
    runtime::CompileOptions options;
    options.symbols["batch"] = {1, 2, 2};
    return runtime::Engine::load(
        runtime::compile(models::ClipModel(checkpoint).build(models::Tower::image, {DType::f16}),
                         backend, options),
        backend);
  };
  Tensor pixels(DType::f16, {2, 3, 64, 64});
  const auto bits = pixels.mutable_values<uint16_t>();
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(0x3000 + i % 997);
  const TowerReport good = verify_tower(engine(reference, false), engine(cpu_backend, false),
                                        {&pixels, 1}, tolerance_for("cpu"), {});
  EXPECT_EQ(good.first_failure, "");
  EXPECT_EQ(good.blocks.size(), 6U) << "of the last block one row is computed";
  const TowerReport bad = verify_tower(engine(reference, false), engine(cpu_backend, true),
                                       {&pixels, 1}, tolerance_for("cpu"), {});
  EXPECT_NE(bad.first_failure.find("vision_model.encoder.layers.3"), std::string::npos)
      << bad.first_failure;
}

}  // namespace
}  // namespace octet::eval
