// Whole towers on a GPU against the same towers on the CPU: any batch of the range, text of any
// length, several sessions at once.
#include <gtest/gtest.h>

#include <thread>

#include "checkpoint/checkpoint.h"
#include "cpu/backend.h"
#include "cuda/backend.h"
#include "cuda/compiler.h"
#include "models/clip.h"
#include "ops/ops.h"
#include "profile/benchmark.h"
#include "runtime/engine.h"
#include "tensor/codecs.h"
#include "tensor/metrics.h"

namespace octet::cuda {
namespace {

constexpr int64_t kMaxBatch = 16;
/// Both round to FP16 between kernels, in another order.
constexpr double kLeastCosine = 0.9999;

std::shared_ptr<const runtime::Engine> engine_of(models::Tower tower,
                                                 const runtime::Backend& backend) {
  static const models::ClipModel model(
      checkpoint::open_checkpoint(std::string(OCTET_SOURCE_DIR) + "/examples/tinyclip"));
  runtime::CompileOptions options;
  options.symbols["batch"] = {1, 4, kMaxBatch};
  return runtime::Engine::load(runtime::compile(model.build(tower, {DType::f16}), backend, options),
                               backend);
}

/// The same inputs for both, texts ending at different places.
Tensor inputs_of(const runtime::Engine& engine, int64_t batch) {
  const Graph& graph = engine.graph();
  const Dims dims = octet::bind(graph.value(graph.inputs().front()).dims, {{"batch", batch}});
  const Shape shape = *to_shape(dims);
  Tensor inputs = profile::random_inputs(graph, {&shape, 1}, 7).front();
  if (inputs.dtype() != DType::i64) return inputs;
  const auto ids = inputs.mutable_values<int64_t>();
  const int64_t length = shape.back();
  for (int64_t row = 0; row < batch; ++row) {  // the end token, at the last position, moves forward
    const auto begin = ids.begin() + row * length;
    std::swap(begin[length - 1], begin[1 + row * 5 % (length - 1)]);
  }
  return inputs;
}

class CudaEngineTest : public ::testing::TestWithParam<models::Tower> {
 protected:
  void SetUp() override {
    if (!availability().available) GTEST_SKIP() << availability().reason;
    if (!compiler().available) GTEST_SKIP() << compiler().reason;
    static const CudaBackend cuda(Device::get(0));
    static const cpu::CpuBackend cpu;
    gpu_engine = engine_of(GetParam(), cuda);
    cpu_engine = engine_of(GetParam(), cpu);
  }
  std::shared_ptr<const runtime::Engine> gpu_engine;
  std::shared_ptr<const runtime::Engine> cpu_engine;
};

TEST_P(CudaEngineTest, AgreesWithTheCpuForEveryBatch) {
  runtime::Session on_cuda(gpu_engine);
  runtime::Session on_cpu(cpu_engine);
  for (const int64_t batch : {1, 3, 16, 2, 3}) {  // one twice: recorded, then replayed
    const Tensor inputs = inputs_of(*cpu_engine, batch);
    const Tensor ours = on_cuda.run_copied({&inputs, 1}).front();
    const Tensor expected = on_cpu.run_copied({&inputs, 1}).front();
    ASSERT_EQ(ours.shape(), expected.shape());
    const Tensor a = convert(ours, DType::f32);
    const Tensor b = convert(expected, DType::f32);
    EXPECT_GE(compare(a.values<float>(), b.values<float>()).cosine, kLeastCosine)
        << "batch " << batch;
  }
}

TEST_P(CudaEngineTest, SessionsRunSideBySide) {
  const Tensor inputs = inputs_of(*cpu_engine, 4);
  const Tensor expected = runtime::Session(gpu_engine).run_copied({&inputs, 1}).front();
  std::vector<Tensor> results(3);
  std::vector<std::thread> threads;
  threads.reserve(results.size());
  for (Tensor& result : results) {
    threads.emplace_back([&] {
      runtime::Session session(gpu_engine);
      for (int i = 0; i < 20; ++i) result = session.run_copied({&inputs, 1}).front();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Tensor& result : results) EXPECT_EQ(result, expected);
}

TEST_P(CudaEngineTest, AHookSeesEveryStepAndMayWriteIt) {
  runtime::Session session(gpu_engine);
  size_t steps = 0;
  session.set_hook([&](const Node&, auto, std::span<const runtime::Operand> outputs) {
    ++steps;
    ASSERT_NE(outputs.front().data, nullptr);
  });
  const Tensor inputs = inputs_of(*cpu_engine, 2);
  const Tensor watched = session.run_copied({&inputs, 1}).front();
  EXPECT_EQ(steps, gpu_engine->plan().steps.size());
  EXPECT_EQ(watched, runtime::Session(gpu_engine).run_copied({&inputs, 1}).front());
}

INSTANTIATE_TEST_SUITE_P(Towers, CudaEngineTest,
                         ::testing::Values(models::Tower::text, models::Tower::image),
                         [](const auto& parameter) {
                           return std::string(models::name_of(parameter.param));
                         });

}  // namespace
}  // namespace octet::cuda
