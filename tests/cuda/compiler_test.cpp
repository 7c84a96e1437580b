#include "cuda/compiler.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace octet::cuda {
namespace {

constexpr const char* kArchitectures[] = {"sm_89", "sm_90a", "sm_120a"};

TEST(CompilerTest, IncludesAreTakenFromTheEmbeddedTexts) {
  const std::string text = full_text({"layer_norm.cu", "layer_norm", {{"WIDTH", "64"}}, ""});
  EXPECT_EQ(text.rfind("#define WIDTH 64\n", 0), 0U);
  EXPECT_NE(text.find("warp_sum"), std::string::npos);
  EXPECT_EQ(text.find("#include"), std::string::npos);
}

TEST(CompilerTest, LayerNormCompilesEverywhereWithoutSpills) {
  if (!compiler().available) GTEST_SKIP() << compiler().reason;
  for (const char* arch : kArchitectures) {
    const CompiledKernel kernel = compile_kernel(
        {"layer_norm.cu",
         "layer_norm",
         {{"WIDTH", "1024"}, {"BLOCKS", "3"}, {"X", "f16"}, {"Y", "e4m3"}, {"F16_STEPS", "1"}},
         ""},
        arch);
    EXPECT_GT(kernel.cubin.size_bytes(), 1000U);
    EXPECT_EQ(kernel.spill_bytes, 0) << arch << ": " << kernel.log;
  }
}

TEST(CompilerTest, AWrongTextIsAnErrorWithTheCompilersWords) {
  if (!compiler().available) GTEST_SKIP() << compiler().reason;
  try {
    static_cast<void>(
        compile_kernel({"layer_norm.cu", "layer_norm", {{"WIDTH", "oops"}}, ""}, "sm_90a"));
    FAIL() << "it compiled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::failed);
    EXPECT_NE(std::string(error.what()).find("oops"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace octet::cuda
