#include "runtime/plan.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/files.h"
#include "base/hash.h"
#include "base/threads.h"
#include "checkpoint/safetensors.h"
#include "cpu/backend.h"
#include "models/clip.h"
#include "runtime/engine.h"
#include "runtime/memory_plan.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace octet::runtime {
namespace {

namespace fs = std::filesystem;

Plan sample_plan() {
  static const models::ClipModel model(
      checkpoint::open_checkpoint(std::string(OCTET_SOURCE_DIR) + "/examples/tinyclip"));
  const cpu::CpuBackend backend;
  CompileOptions options;
  options.symbols["batch"] = {1, 2, 4};
  options.facts = {{"source", "test"}};
  return compile(model.build(models::Tower::text, {DType::f16}), backend, options);
}

Tensor ids(int64_t batch) {
  Tensor tensor(DType::i64, {batch, 77});
  const auto values = tensor.mutable_values<int64_t>();
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = i % 77 < 9 ? static_cast<int64_t>(i % 600) : 643;
  return tensor;
}

std::vector<double> work_of(const Plan& plan) {
  std::vector<double> flops;
  for (const Step& step : plan.steps) flops.push_back(step.flops);
  return flops;
}

TEST(Compile, EveryProductHasItsWork) {
  const Plan plan = sample_plan();
  for (const Step& step : plan.steps) {
    const Node& node = plan.graph.node(step.node);
    if (!node.is("Linear", kOctetDomain)) continue;
    EXPECT_GT(step.flops, 1e5) << node.name;
  }
}

TEST(Compile, ExtentsAreDecidedByAnInputAlone) {
  Graph graph("text");
  const ValueId ids = graph.add_constant("ids", Tensor(DType::i64, {2, 8}));
  const ValueId ranges = graph.add_value("ranges", DType::i32, {2, 2});
  graph.add_node(
      {"ranges", "octet", "RowRanges", {ids}, {ranges}, {{"symbol", std::string("tokens")}}});
  graph.set_outputs({ranges});
  const cpu::CpuBackend backend;
  test::expect_error(ErrorCode::bad_input, {"ranges", "input"},
                     [&] { static_cast<void>(compile(graph, backend, {})); });
}

TEST(PlanFile, RoundTripRunsTheSame) {
  const test::TemporaryFolder folder;
  const cpu::CpuBackend backend;
  const Plan plan = sample_plan();
  const fs::path path = folder.path() / "text.plan";
  save_plan(plan, path);
  Plan loaded = load_plan(path);
  EXPECT_EQ(first_difference(plan.graph, loaded.graph), "");
  EXPECT_EQ(loaded.symbols, plan.symbols);
  EXPECT_EQ(loaded.arena_bytes, plan.arena_bytes);
  EXPECT_EQ(loaded.facts, plan.facts);
  EXPECT_EQ(work_of(loaded), work_of(plan));
  Session original(Engine::load(plan, backend));
  Session reloaded(Engine::load(std::move(loaded), backend));
  const Tensor input = ids(3);
  EXPECT_EQ(original.run_copied({&input, 1}), reloaded.run_copied({&input, 1}));
}

TEST(PlanFile, IsASafetensorsFileOfAlignedSections) {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "text.plan";
  save_plan(sample_plan(), path);
  const auto file = checkpoint::read_safetensors(path);
  EXPECT_TRUE(file.metadata.contains("octet_plan"));
  EXPECT_EQ(file.header.size() % 64, 0U);
  for (const auto& [name, tensor] : file.tensors) {
    EXPECT_EQ(tensor.dtype(), DType::u8) << name;
    EXPECT_EQ(tensor.size_bytes() % 64, 0U) << name;
  }
}

TEST(PlanFile, OneFlippedBitAnywhereIsFound) {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "text.plan";
  save_plan(sample_plan(), path);
  const std::string whole = read_text(path);
  for (const size_t at : {whole.size() / 7, whole.size() / 2, whole.size() - 70}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    write_text(path, damaged);
    EXPECT_THROW(load_plan(path), Error) << "byte " << at;
  }
}

TEST(PlanFile, AnotherVersionIsNamed) {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "text.plan";
  // A plan of version 99 whose checksums are right, as a later program would write it.
  const auto with_version = [&](const std::string& metadata) {
    Tensor checksums(DType::u8, {64});
    std::vector<checkpoint::NamedTensor> tensors{{"~checksums", checksums}};
    const checkpoint::SafetensorsOptions options{{{"octet_plan", metadata}}, 64, true};
    checkpoint::write_safetensors(path, tensors, options);
    const auto file = checkpoint::read_safetensors(path);
    const Hash128 hash = hash128(file.header);
    std::memcpy(checksums.mutable_bytes().data(), &hash.low, 8);
    std::memcpy(checksums.mutable_bytes().data() + 8, &hash.high, 8);
    tensors[0].tensor = checksums;
    checkpoint::write_safetensors(path, tensors, options);
  };
  with_version(R"({"version": 99})");
  test::expect_error(ErrorCode::bad_input, {"99", "build the plan again"},
                     [&] { load_plan(path); });
}

TEST(PlanFile, SomethingElseIsNoPlan) {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "weights.safetensors";
  const std::vector<checkpoint::NamedTensor> tensors{{"w", Tensor(DType::f32, {2})}};
  checkpoint::write_safetensors(path, tensors);
  test::expect_error(ErrorCode::bad_input, {"not a plan"}, [&] { load_plan(path); });
}

TEST(Engine, MakesRoomForTheThreadsOfTheMachineThatRuns) {
  const cpu::CpuBackend backend;
  set_thread_count(1);
  const Plan plan = sample_plan();
  const auto alone = Engine::load(plan, backend);
  set_thread_count(3);
  const auto three = Engine::load(plan, backend);
  set_thread_count(0);
  EXPECT_EQ(alone->plan().workspace_bytes, plan.workspace_bytes);
  EXPECT_GT(three->plan().workspace_bytes, plan.workspace_bytes);
}

TEST(Engine, RefusesAPlanOfAnotherBackend) {
  const cpu::ReferenceBackend reference;
  test::expect_error(ErrorCode::bad_input, {"cpu", "reference"},
                     [&] { Engine::load(sample_plan(), reference); });
}

TEST(Session, RunsAnyBatchUpToTheMaximum) {
  const cpu::CpuBackend backend;
  const auto engine = Engine::load(sample_plan(), backend);
  Session session(engine);
  const Tensor four = ids(4);
  const std::vector<Tensor> all = session.run_copied({&four, 1});
  const Tensor one = ids(1);
  const std::vector<Tensor> first = session.run_copied({&one, 1});
  EXPECT_EQ(all[0].shape(), (Shape{4, 192}));
  EXPECT_EQ(first[0].shape(), (Shape{1, 192}));
  const auto bits = all[0].values<uint16_t>();
  EXPECT_TRUE(std::equal(first[0].values<uint16_t>().begin(), first[0].values<uint16_t>().end(),
                         bits.begin()))
      << "a sample's result must not depend on its batch";
}

TEST(Session, SaysWhatIsWrongWithAnInput) {
  const cpu::CpuBackend backend;
  Session session(Engine::load(sample_plan(), backend));
  const Tensor many = ids(5);
  test::expect_error(ErrorCode::usage, {"at most 4"}, [&] { session.run({&many, 1}); });
  const Tensor floats(DType::f32, {1, 77});
  test::expect_error(ErrorCode::usage, {"text_input", "i64"}, [&] { session.run({&floats, 1}); });
  const Tensor short_text(DType::i64, {1, 76});
  test::expect_error(ErrorCode::usage, {"[batch, 77]"}, [&] { session.run({&short_text, 1}); });
  test::expect_error(ErrorCode::usage, {"takes 1 inputs"}, [&] { session.run({}); });
}

TEST(MemoryPlan, LiveValuesNeverOverlap) {
  const Plan plan = sample_plan();
  const Graph& graph = plan.graph;
  std::map<ValueId, std::pair<size_t, size_t>> lives;
  for (size_t step = 0; step < graph.order().size(); ++step) {
    const Node& node = graph.node(graph.order()[step]);
    for (const ValueId output : node.outputs) {
      lives.try_emplace(storage_of(graph, output), step, step);
    }
    for (const ValueId input : node.inputs) {
      if (input == kNoValue || !lives.contains(storage_of(graph, input))) continue;
      lives[storage_of(graph, input)].second = step;
    }
  }
  for (const auto& [a, a_slot] : plan.slots) {
    EXPECT_EQ(a_slot.offset % 64, 0U);
    for (const auto& [b, b_slot] : plan.slots) {
      if (a >= b) continue;
      const bool together =
          lives.at(a).first <= lives.at(b).second && lives.at(b).first <= lives.at(a).second;
      const bool overlap = a_slot.offset < b_slot.offset + b_slot.size &&
                           b_slot.offset < a_slot.offset + a_slot.size;
      EXPECT_FALSE(together && overlap) << graph.value(a).name << " and " << graph.value(b).name;
    }
  }
}

}  // namespace
}  // namespace octet::runtime
