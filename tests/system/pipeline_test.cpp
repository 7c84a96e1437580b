// The whole way, by the program itself: quantize, export, build, run, verify, evaluate.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "tensor/codecs.h"
#include "tensor/metrics.h"
#include "tests/system/program.h"
#include "tests/temporary_folder.h"

namespace octet::system_test {
namespace {

namespace fs = std::filesystem;

const std::string kSample = std::string(OCTET_SOURCE_DIR) + "/examples/tinyclip";

/// Bars of an FP8 engine against the FP16 one, in shares.
constexpr double kAccuracyBar = 0.01;

/// One deployment for all tests of this file, for the CPU, whose bars they hold it to.
const fs::path& deployed() {
  static const test::TemporaryFolder folder;
  std::vector<std::string> words{"deploy",           kSample,     "--calib",
                                 kSample + "/calib", "--backend", "cpu",
                                 "--quiet",          "-o",        (folder / "out").string()};
  if (!kSanitized) words.insert(words.end(), {"--eval", kSample + "/eval"});
  static const Outcome outcome = run_octet(words);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  static const fs::path path = folder / "out";
  return path;
}

double figure(const Json& report, const std::string& name, const std::string& precision) {
  for (const Json& row : report.at("figures")) {
    if (row.at("name") == name) return row.at(precision).get<double>();
  }
  ADD_FAILURE() << "the report has no " << name;
  return 0;
}

TEST(Deploy, KeepsTheAccuracy) {
  if (kSanitized) GTEST_SKIP() << "deployed without an evaluation, which takes too long";
  const Json report = read_json(deployed() / "report.json");
  for (const char* name : {"acc1", "acc5", "image_retrieval_recall@1", "text_retrieval_recall@1",
                           "image_retrieval_recall@5", "text_retrieval_recall@5"}) {
    EXPECT_NEAR(figure(report, name, "fp8"), figure(report, name, "fp16"), kAccuracyBar) << name;
  }
  EXPECT_GT(figure(report, "acc1", "fp16"), 0.75);
  EXPECT_LT(figure(report, "image.onnx", "fp8"), 0.6 * figure(report, "image.onnx", "fp16"));
}

TEST(Deploy, VerifiesTheEngines) {
  const Json report = read_json(deployed() / "report.json");
  ASSERT_EQ(report.at("verification").size(), 2U);
  for (const Json& tower : report.at("verification")) {
    EXPECT_EQ(tower.at("first_failure"), "");
    for (const Json& block : tower.at("blocks")) {
      EXPECT_GE(block.at("mean_cosine").get<double>(), 0.9999) << block.at("name");
      EXPECT_GE(block.at("minimum_cosine").get<double>(), 0.999) << block.at("name");
    }
    EXPECT_GE(tower.at("end_to_end").at("mean_cosine").get<double>(), 0.998);
    EXPECT_GE(tower.at("end_to_end").at("minimum_cosine").get<double>(), 0.995);
  }
}

TEST(Deploy, AnInterruptLeavesWholeFilesAndSaysSo) {
  const test::TemporaryFolder folder;
  const Outcome outcome = interrupt_octet({"deploy", kSample, "--calib", kSample + "/calib",
                                           "--backend", "cpu", "-o", (folder / "out").string()},
                                          "fp16: latency");
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_NE(outcome.err.find("interrupted; every file that was written is whole"),
            std::string::npos)
      << outcome.err;
  for (const std::string file : {"plan/text.plan", "plan/image.plan", "onnx/image.onnx"}) {
    const Outcome inspected = run_octet({"inspect", (folder / "out/fp16" / file).string()});
    EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
  }
}

TEST(Deploy, LeavesSelfContainedFolders) {
  for (const char* precision : {"fp16", "fp8"}) {
    for (const char* part : {"checkpoint", "onnx", "plan"}) {
      for (const char* file : {"tokenizer.json", "preprocessor_config.json", "config.json"}) {
        EXPECT_TRUE(fs::exists(deployed() / precision / part / file)) << precision << part << file;
      }
    }
    EXPECT_TRUE(fs::exists(deployed() / precision / "plan/image.plan"));
    EXPECT_TRUE(fs::exists(deployed() / precision / "onnx/text.onnx"));
  }
}

/// Features of a model folder for the same inputs.
Tensor features(const std::string& model, const std::string& backend = "cpu") {
  const test::TemporaryFolder folder;
  Tensor pixels(DType::f32, {3, 3, 64, 64});
  const auto values = pixels.mutable_values<float>();
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i % 251) / 125.0F - 1.0F;
  const std::vector<checkpoint::NamedTensor> inputs{{"image_input", pixels}};
  checkpoint::write_safetensors(folder / "in.safetensors", inputs);
  const Outcome outcome = run_octet({"run", model, "--backend", backend, "--inputs",
                                     (folder / "in.safetensors").string(), "--outputs",
                                     (folder / "out.safetensors").string()});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return checkpoint::read_safetensors(folder / "out.safetensors")
      .tensors.at("image_features")
      .clone();
}

TEST(Verify, TakesPlansOfOneSampleAtATime) {
  const test::TemporaryFolder folder;
  const fs::path onnx = deployed() / "fp8/onnx";
  for (const char* shape : {"text_input:1x77", "image_input:1x3x64x64"}) {
    const std::string tower = std::string(shape).starts_with("text") ? "text" : "image";
    ASSERT_EQ(
        run_octet({"build", (onnx / (tower + ".onnx")).string(), std::string("--shapes=") + shape,
                   "-o", (folder / (tower + ".plan")).string()})
            .exit_code,
        0);
  }
  const Outcome outcome = run_octet({"verify", folder.path().string(), "--reference",
                                     (deployed() / "fp8/checkpoint").string(), "--data",
                                     kSample + "/eval/retrieval", "--samples", "2"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

TEST(Run, CheckpointOnnxAndPlanAgreeToTheBit) {
  const fs::path fp8 = deployed() / "fp8";
  const Tensor from_checkpoint = features((fp8 / "checkpoint").string());
  EXPECT_EQ(from_checkpoint, features((fp8 / "onnx").string()));
  EXPECT_EQ(from_checkpoint, features((fp8 / "plan").string()));
}

TEST(Run, EnginesAgreeWithTheReferenceKernels) {
  const Tensor fast = features((deployed() / "fp16/onnx").string());
  const Tensor plain = features((deployed() / "fp16/onnx").string(), "reference");
  EXPECT_GE(compare(fast.values<float>(), plain.values<float>()).cosine, 0.99999);
}

TEST(Run, TextsAndImagesGiveSimilarities) {
  const Outcome outcome =
      run_octet({"run", (deployed() / "fp8").string(), "--text", "a red circle", "--text",
                 "a blue square", "--json", "--image",
                 std::string(OCTET_SOURCE_DIR) + "/tests/golden/preprocess/rgb_331x257.png"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json rows = parse_json(outcome.out, "output");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_NEAR(rows[0].at("probability").get<double>() + rows[1].at("probability").get<double>(), 1,
              1e-6);
  EXPECT_NE(outcome.err.find("plans"), std::string::npos) << "says which kind it took";
}

TEST(Eval, IsAGate) {
  if (kSanitized) GTEST_SKIP() << "two evaluations take too long";
  const std::string model = (deployed() / "fp8/plan").string();
  const std::vector<std::string> words{"eval",     model,    "--task",
                                       "zeroshot", "--data", kSample + "/eval/zeroshot"};
  std::vector<std::string> high = words;
  high.insert(high.end(), {"--min-acc1", "0.99"});
  const Outcome missed = run_octet(high);
  EXPECT_EQ(missed.exit_code, 1);
  EXPECT_NE(missed.err.find("--min-acc1"), std::string::npos) << missed.err;
  std::vector<std::string> low = words;
  low.insert(low.end(), {"--min-acc1", "0.5"});
  EXPECT_EQ(run_octet(low).exit_code, 0);
}

TEST(Build, ExplainsKernelsAndWhereCodesAreDecoded) {
  const test::TemporaryFolder folder;
  const Outcome outcome =
      run_octet({"build", (deployed() / "fp8/onnx/text.onnx").string(), "--shapes=text_input:1x77",
                 "--backend", "cpu", "--explain", "-o", (folder / "text.plan").string()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* part : {"linear.packed: f8e4m3 rows by f8e4m3 weights", "matrix kernel set ",
                           "weights are decoded ", "attention.blocked: "}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
  }
}

TEST(Bench, PrintsTrtexecsSummary) {
  const Outcome outcome =
      run_octet({"bench", "--loadEngine=" + (deployed() / "fp8/plan/text.plan").string(),
                 "--iterations=3", "--duration=0", "--warmUp=0"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* part : {"=== Performance summary ===", "Throughput: ", "Compute Time: min = ",
                           "median = ", "percentile(99%) = "}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part;
  }
}

/// Operations of the sample model's image tower: 65 tokens, 6 layers, 256 wide.
constexpr double kImageWork = 65 * 6 * (24.0 * 256 * 256 + 4.0 * 256 * 65);

TEST(Bench, TheProfileKnowsTheWorkOfTheRun) {
  const Outcome outcome =
      run_octet({"--json", "bench", "--loadEngine=" + (deployed() / "fp8/plan/image.plan").string(),
                 "--shapes=image_input:3x3x64x64", "--iterations=1", "--duration=0", "--warmUp=0",
                 "--dumpProfile"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  double work = 0;
  const Json report = parse_json(outcome.out, "stdout");
  for (const Json& layer : report.at("profile")) {
    EXPECT_GT(layer.at("median_ms").get<double>(), 0);
    EXPECT_GT(layer.at("bytes").get<double>(), 0);
    work += layer.at("flops").get<double>();
  }
  EXPECT_GT(work, 0.8 * 3 * kImageWork) << "the last layer is computed for the class token alone";
  EXPECT_LT(work, 1.1 * 3 * kImageWork);
}

TEST(Bench, RestsBeforeEveryQuery) {
  const Outcome outcome =
      run_octet({"bench", "--loadEngine=" + (deployed() / "fp8/plan/text.plan").string(),
                 "--iterations=3", "--duration=0", "--warmUp=0", "--idleTime=100"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::string words = "Total Host Walltime: ";
  const size_t at = outcome.out.find(words);
  ASSERT_NE(at, std::string::npos) << outcome.out;
  EXPECT_GE(std::stod(outcome.out.substr(at + words.size())), 0.3);
}

TEST(Inspect, ShowsCoverage) {
  const Outcome outcome =
      run_octet({"inspect", (deployed() / "fp8/onnx/image.onnx").string(), "--explain"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("attention: 6 of 6 in FP8"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("products: 37 of 37 in FP8"), std::string::npos);
}

TEST(Inspect, ShowsEveryFileOfAModel) {
  for (const char* part : {"checkpoint", "onnx", "plan"}) {
    for (const char* precision : {"fp16", "fp8"}) {
      const std::string folder = (deployed() / precision / part).string();
      for (const auto& words : {std::vector<std::string>{"inspect", folder, "--explain"},
                                std::vector<std::string>{"inspect", folder, "--json"}}) {
        EXPECT_EQ(run_octet(words).exit_code, 0) << precision << "/" << part;
      }
    }
  }
}

TEST(Inspect, APlanShowsTheWorkOfItsSteps) {
  const Outcome outcome =
      run_octet({"inspect", (deployed() / "fp8/plan/image.plan").string(), "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  double work = 0;
  const Json report = parse_json(outcome.out, "stdout");
  for (const Json& step : report.at("steps")) {
    work += std::stod(step.at("MFLOP").get<std::string>());
  }
  EXPECT_GT(work, 0.8 * kImageWork / 1e6) << "the last layer may be the class token's alone";
  EXPECT_LT(work, 1.1 * kImageWork / 1e6);
}

TEST(BadInput, AnUnknownArchitectureListsTheKnownOnes) {
  const test::TemporaryFolder folder;
  const Outcome outcome = run_octet({"create", "ViT-X-99", "-o", (folder / "m").string()});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("ViT-bigG-14"), std::string::npos) << outcome.err;
  EXPECT_EQ(folder.entries(), 0);
}

TEST(BadInput, ANumberOutOfRangeIsToldInWords) {
  const Outcome negative = run_octet({"bench", "--loadEngine=x.plan", "--idleTime=-1"});
  EXPECT_EQ(negative.exit_code, 2);
  EXPECT_NE(negative.err.find("--idleTime: '-1' is not 0 or a number above it"), std::string::npos)
      << negative.err;
  const Outcome none = run_octet({"quantize", kSample, "--calib-size", "0", "-o", "x"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_NE(none.err.find("--calib-size: '0' is not a number above 0"), std::string::npos)
      << none.err;
}

TEST(BadInput, QuantizingWithoutDataIsRefused) {
  const test::TemporaryFolder folder;
  const Outcome outcome = run_octet({"quantize", kSample, "-o", (folder / "m").string()});
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_FALSE(fs::exists(folder / "m" / "model.safetensors"));
}

TEST(BadInput, AFlippedBitInAPlanIsNamed) {
  const test::TemporaryFolder folder;
  std::string bytes = read_text(deployed() / "fp8/plan/text.plan");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  const fs::path damaged = folder.write("text.plan", bytes);
  const Outcome outcome = run_octet({"bench", "--loadEngine=" + damaged.string()});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_NE(outcome.err.find("checksum"), std::string::npos) << outcome.err;
}

TEST(BadInput, AMissingImageIsNamed) {
  const Outcome outcome = run_octet({"run", (deployed() / "fp8/plan").string(), "--text", "x",
                                     "--text", "y", "--image", "/nonexistent.png"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_NE(outcome.err.find("/nonexistent.png"), std::string::npos) << outcome.err;
}

TEST(BadInput, AReadOnlyFolderIsTold) {
  const Outcome outcome = run_octet({"export", kSample, "-o", "/proc/octet-cannot-write-here"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("/proc/octet-cannot-write-here"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace octet::system_test
