// Whole towers as they stand in a file, nothing fused, on generic kernels against the CPU.
#include <gtest/gtest.h>

#include <tuple>

#include "checkpoint/checkpoint.h"
#include "cpu/backend.h"
#include "cuda/backend.h"
#include "cuda/compiler.h"
#include "models/clip.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include "profile/benchmark.h"
#include "runtime/engine.h"
#include "tensor/codecs.h"
#include "tensor/metrics.h"

namespace octet::cuda {
namespace {

/// Sums run in another order; FP16 graphs round after every operator.
constexpr double kLeastCosine = 0.9999;

runtime::CompileOptions without_fusions() {
  runtime::CompileOptions options;
  options.symbols["batch"] = {1, 2, 4};
  for (const passes::Pass& pass : passes::fusion_passes()) {
    options.disabled_passes.emplace_back(pass.name);
  }
  return options;
}

std::shared_ptr<const runtime::Engine> engine_of(models::Tower tower, DType dtype,
                                                 const runtime::Backend& backend) {
  static const models::ClipModel model(
      checkpoint::open_checkpoint(std::string(OCTET_SOURCE_DIR) + "/examples/tinyclip"));
  return runtime::Engine::load(
      runtime::compile(model.build(tower, {dtype}), backend, without_fusions()), backend);
}

using Parameter = std::tuple<models::Tower, DType>;

class GenericEngineTest : public ::testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override {
    if (!availability().available) GTEST_SKIP() << availability().reason;
    if (!compiler().available) GTEST_SKIP() << compiler().reason;
  }

  static void expect_agreement(KernelSet kernels) {
    const auto [tower, dtype] = GetParam();
    const CudaBackend cuda(Device::get(0), kernels);
    const cpu::CpuBackend cpu;
    runtime::Session on_cuda(engine_of(tower, dtype, cuda));
    runtime::Session on_cpu(engine_of(tower, dtype, cpu));
    const Graph& graph = on_cpu.engine().graph();
    for (const int64_t batch : {2, 1, 4}) {
      const Dims dims = octet::bind(graph.value(graph.inputs().front()).dims, {{"batch", batch}});
      const Shape shape = *to_shape(dims);
      const Tensor inputs = profile::random_inputs(graph, {&shape, 1}, 7).front();
      const Tensor ours = convert(on_cuda.run_copied({&inputs, 1}).front(), DType::f32);
      const Tensor expected = convert(on_cpu.run_copied({&inputs, 1}).front(), DType::f32);
      ASSERT_EQ(ours.shape(), expected.shape());
      EXPECT_GE(compare(ours.values<float>(), expected.values<float>()).cosine, kLeastCosine)
          << "batch " << batch;
    }
  }
};

TEST_P(GenericEngineTest, AgreesWithTheCpuOnGenericKernelsAlone) {
  expect_agreement(KernelSet::generic);
}

TEST_P(GenericEngineTest, AgreesWithTheCpuBesideOtherKernels) {
  expect_agreement(KernelSet::all);
}

INSTANTIATE_TEST_SUITE_P(Towers, GenericEngineTest,
                         ::testing::Combine(::testing::Values(models::Tower::text,
                                                              models::Tower::image),
                                            ::testing::Values(DType::f32, DType::f16)),
                         [](const auto& parameter) {
                           return fmt::format("{}_{}",
                                              models::name_of(std::get<0>(parameter.param)),
                                              name_of(std::get<1>(parameter.param)));
                         });

}  // namespace
}  // namespace octet::cuda
