// The CUDA backend's host side, driven by the program on a driver whose kernels do nothing; and
// what is said where there is no GPU.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "checkpoint/safetensors.h"
#include "cuda/compiler.h"
#include "cuda/driver.h"
#include "passes/passes.h"
#include "tests/system/program.h"
#include "tests/temporary_folder.h"

namespace octet::system_test {
namespace {

namespace fs = std::filesystem;

const std::string kSample = std::string(OCTET_SOURCE_DIR) + "/examples/tinyclip";

/// The stand-in driver, and a cache of its own.
std::vector<std::string> null_device(const fs::path& folder) {
  return {std::string("OCTET_CUDA_DRIVER=") + OCTET_NULL_CUDA,
          "OCTET_CACHE=" + (folder / "cache").string()};
}

std::string shapes(const std::string& flag, int batch) {
  return "--" + flag + "=image_input:" + std::to_string(batch) + "x3x64x64";
}

TEST(Cuda, WithoutADriverItIsUnavailable) {
  const test::TemporaryFolder folder;
  const Outcome outcome = run_octet({"eval", kSample, "--backend", "cuda", "--task", "zeroshot",
                                     "--data", kSample + "/eval/zeroshot"},
                                    {"OCTET_CUDA_DRIVER=/nowhere/libcuda.so"});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_NE(outcome.err.find("/nowhere/libcuda.so is not installed"), std::string::npos)
      << outcome.err;
}

TEST(Cuda, ADeviceThatIsNotThereIsNamed) {
  const test::TemporaryFolder folder;
  const Outcome outcome =
      run_octet({"--device", "7", "run", kSample, "--text", "a ring", "--backend", "cuda"},
                null_device(folder.path()));
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_NE(outcome.err.find("no CUDA device 7; this machine has 1"), std::string::npos)
      << outcome.err;
}

TEST(Cuda, TheSampleIsBuiltLoadedAndLaunched) {
  if (!cuda::compiler().available) GTEST_SKIP() << cuda::compiler().reason;
  const test::TemporaryFolder folder;
  const std::string onnx = (folder / "onnx").string();
  const std::string plan = (folder / "image.plan").string();
  ASSERT_EQ(run_octet({"export", kSample, "-o", onnx, "-q"}).exit_code, 0);
  const Outcome built =
      run_octet({"build", onnx + "/image.onnx", shapes("minShapes", 1), shapes("optShapes", 8),
                 shapes("maxShapes", 32), "--backend", "cuda", "--explain", "-o", plan},
                null_device(folder.path()));
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_NE(built.out.find("for cuda/sm_90a"), std::string::npos) << built.out;
  EXPECT_NE(built.out.find("up to 2080 rows"), std::string::npos) << built.out;
  for (const int batch : {1, 5, 32}) {
    const Outcome timed = run_octet({"bench", "--loadEngine=" + plan, shapes("shapes", batch),
                                     "--iterations=1", "--duration=0", "--warmUp=0"},
                                    null_device(folder.path()));
    EXPECT_EQ(timed.exit_code, 0) << timed.err;
    EXPECT_NE(timed.out.find("GPU Compute Time"), std::string::npos) << timed.out;
  }
}

TEST(Cuda, AnIdOutsideTheTableIsNamedAsOnTheCpu) {
  if (!cuda::compiler().available) GTEST_SKIP() << cuda::compiler().reason;
  const test::TemporaryFolder folder;
  const std::string onnx = (folder / "onnx").string();
  ASSERT_EQ(run_octet({"export", kSample, "-o", onnx, "-q"}).exit_code, 0);
  Tensor ids(DType::i64, {2, 77});
  ids.mutable_values<int64_t>()[80] = 9999;
  const std::string inputs = (folder / "ids.safetensors").string();
  const std::array tensors{checkpoint::NamedTensor{"text_input", ids}};
  checkpoint::write_safetensors(inputs, tensors);
  for (const std::string backend : {"cpu", "cuda"}) {
    const std::string plan = onnx + "/text.plan";  // beside the tokenizer
    const Outcome built = run_octet({"build", onnx + "/text.onnx", "--shapes=text_input:2x77",
                                     "--backend", backend, "-o", plan},
                                    null_device(folder.path()));
    ASSERT_EQ(built.exit_code, 0) << built.err;
    const Outcome outcome = run_octet({"run", onnx, "--inputs", inputs, "--outputs",
                                       (folder / "out").string(), "--backend", backend},
                                      null_device(folder.path()));
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_NE(outcome.err.find("input 'text_input': id 9999 at position 3 of sample 1 is outside "
                               "the table of 644 rows"),
              std::string::npos)
        << outcome.err;
  }
}

std::string text_shapes(const std::string& flag, int batch) {
  return "--" + flag + "=text_input:" + std::to_string(batch) + "x77";
}

/// A graph of which nothing is fused, as other tools may bring it: every node runs on the GPU, and
/// the table says on which kernel.
TEST(Cuda, AGraphWithoutFusionsRunsOnGenericKernels) {
  if (!cuda::compiler().available) GTEST_SKIP() << cuda::compiler().reason;
  const test::TemporaryFolder folder;
  const std::string onnx = (folder / "onnx").string();
  const std::string plan = (folder / "text.plan").string();
  ASSERT_EQ(run_octet({"export", kSample, "-o", onnx, "-q"}).exit_code, 0);
  std::vector<std::string> build{"build",
                                 onnx + "/text.onnx",
                                 "--backend",
                                 "cuda",
                                 "--explain",
                                 text_shapes("minShapes", 1),
                                 text_shapes("optShapes", 4),
                                 text_shapes("maxShapes", 8),
                                 "-o",
                                 plan};
  for (const passes::Pass& pass : passes::fusion_passes()) {
    build.insert(build.end(), {"--disable-pass", std::string(pass.name)});
  }
  const Outcome built = run_octet(build, null_device(folder.path()));
  ASSERT_EQ(built.exit_code, 0) << built.err;
  for (const char* kernel : {"generic.MatMul", "generic.Softmax", "generic.Transpose",
                             "generic.Gather", "generic.GatherND", "generic.ArgMax"}) {
    EXPECT_NE(built.out.find(kernel), std::string::npos) << kernel << "\n" << built.out;
  }
  EXPECT_NE(built.out.find("kernels are generic"), std::string::npos) << built.out;
  const Outcome timed = run_octet({"bench", "--loadEngine=" + plan, text_shapes("shapes", 3),
                                   "--iterations=1", "--duration=0", "--warmUp=0"},
                                  null_device(folder.path()));
  EXPECT_EQ(timed.exit_code, 0) << timed.err;
}

/// No tensor-core kernel takes FP32: its plain kernels do.
TEST(Cuda, AnFp32GraphRunsOnGenericKernels) {
  if (!cuda::compiler().available) GTEST_SKIP() << cuda::compiler().reason;
  const test::TemporaryFolder folder;
  const std::string onnx = (folder / "onnx").string();
  ASSERT_EQ(run_octet({"export", kSample, "--precision", "fp32", "-o", onnx, "-q"}).exit_code, 0);
  const Outcome built = run_octet({"build", onnx + "/image.onnx", shapes("shapes", 2), "--backend",
                                   "cuda", "--explain", "-o", (folder / "image.plan").string()},
                                  null_device(folder.path()));
  ASSERT_EQ(built.exit_code, 0) << built.err;
  for (const char* kernel : {"generic.Linear", "generic.Attention", "generic.PatchEmbedding",
                             "is f32, which this kernel does not take"}) {
    EXPECT_NE(built.out.find(kernel), std::string::npos) << kernel << "\n" << built.out;
  }
}

TEST(Cuda, TheSampleIsDeployedOnAGpu) {
  if (!cuda::availability().available) GTEST_SKIP() << cuda::availability().reason;
  if (!cuda::compiler().available) GTEST_SKIP() << cuda::compiler().reason;
  const test::TemporaryFolder folder;
  // Verification of the FP8 engines, block by block and end to end, is part of it.
  const Outcome outcome =
      run_octet({"deploy", kSample, "--calib", kSample + "/calib", "--eval", kSample + "/eval",
                 "--backend", "cuda", "-o", (folder / "out").string(), "-q"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

}  // namespace
}  // namespace octet::system_test
