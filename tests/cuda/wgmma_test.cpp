#include "cuda/wgmma.h"

#include <gtest/gtest.h>

#include "cuda/compiler.h"

namespace octet::cuda {
namespace {

/// A kernel that runs the instruction once.
std::string probe(const WgmmaForm& form) {
  const std::string type = form.operand == WgmmaOperand::e4m3 ? "e4m3" : "f16";
  return wgmma_text(form) + fmt::format(R"(
extern "C" __global__ void probe(float* y, unsigned long long b) {{
  float d[{0}];
  {1};
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
  wgmma_{2}{3}(d, a, b);
  wgmma_{2}{3}(d, a, b, true);
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
  for (int i = 0; i < {0}; ++i) y[threadIdx.x * {0} + i] = d[i];
}}
)",
                                        form.n / 2,
                                        form.a_in_registers
                                            ? "unsigned a[4] = {(unsigned)b, 1, 2, 3}"
                                            : "unsigned long long a = b + 1024",
                                        type,
                                        form.a_transposed   ? "_transposed_a"
                                        : form.b_transposed ? "_transposed_b"
                                                            : "");
}

TEST(WgmmaTest, EveryFormCompiles) {
  if (!compiler().available) GTEST_SKIP() << compiler().reason;
  for (const WgmmaForm& form :
       {WgmmaForm{8, WgmmaOperand::e4m3, false, false},
        WgmmaForm{128, WgmmaOperand::e4m3, false, false},
        WgmmaForm{64, WgmmaOperand::e4m3, true, false},
        WgmmaForm{256, WgmmaOperand::f16, false, false},
        WgmmaForm{64, WgmmaOperand::f16, false, true}, WgmmaForm{64, WgmmaOperand::f16, true, true},
        WgmmaForm{8, WgmmaOperand::f16, false, false, true}}) {
    const CompiledKernel kernel = compile_kernel({"sm90.cuh", "probe", {}, probe(form)}, "sm_90a");
    EXPECT_EQ(kernel.spill_bytes, 0) << kernel.log;
    EXPECT_EQ(kernel.log.find("C75"), std::string::npos) << kernel.log;
  }
}

TEST(WgmmaTest, WhatTheInstructionCannotDoIsRefused) {
  EXPECT_THROW(static_cast<void>(wgmma_text({260, WgmmaOperand::e4m3, false, false})),
               std::logic_error);
  EXPECT_THROW(static_cast<void>(wgmma_text({64, WgmmaOperand::e4m3, false, true})),
               std::logic_error);
  EXPECT_THROW(static_cast<void>(wgmma_text({64, WgmmaOperand::f16, true, false, true})),
               std::logic_error);
}

}  // namespace
}  // namespace octet::cuda
