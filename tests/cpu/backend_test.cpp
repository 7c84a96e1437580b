#include "cpu/backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "cpu/matrix_sets.h"
#include "ops/ops.h"
#include "runtime/plan.h"
#include "tests/expect_error.h"

namespace octet::cpu {
namespace {

TEST(KernelTables, EveryOperatorThatComputesHasAReferenceKernel) {
  for (const OpSchema& schema : all_ops()) {
    const auto found = std::ranges::count_if(reference_kernels(), [&](const KernelEntry& entry) {
      return entry.op == schema.op && entry.domain == schema.domain;
    });
    const bool run_by_session = schema.domain == kOctetDomain && schema.op == "RowRanges";
    EXPECT_EQ(found, schema.is_view || run_by_session ? 0 : 1) << schema.domain << " " << schema.op;
  }
}

TEST(KernelTables, NamesAreUniqueAndOperatorsKnown) {
  std::set<std::string_view> names;
  for (const auto table : {fast_kernels(), reference_kernels()}) {
    for (const KernelEntry& entry : table) {
      EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
      EXPECT_NE(find_op(entry.domain, entry.op), nullptr) << entry.name;
      EXPECT_NE(entry.load, nullptr) << entry.name;
    }
  }
}

/// One node reading two inputs of a dtype.
struct BinaryNode {
  Graph graph;
  NodeId node{};

  BinaryNode(const std::string& op, DType dtype) {
    const ValueId a = graph.add_input("a", dtype, {4, 4});
    const ValueId b = graph.add_input("b", dtype, {4, 4});
    node = graph.add_node({"node", "", op, {a, b}, {graph.add_value("y")}, {}});
    infer_types(graph);
  }
};

TEST(CpuBackend, ChoosesTheFirstEntryThatTakesTheNode) {
  const BinaryNode add("Add", DType::f32);
  EXPECT_EQ(ReferenceBackend().choose(add.graph, add.node, {}).kernel, "reference.Add");
  EXPECT_NE(CpuBackend().choose(add.graph, add.node, {}).kernel, "reference.Add");
}

TEST(CpuBackend, SaysWhyEarlierEntriesRefused) {
  const BinaryNode add("Add", DType::i64);
  const auto choice = CpuBackend().choose(add.graph, add.node, {});
  EXPECT_EQ(choice.kernel, "reference.Add");
  ASSERT_FALSE(choice.refusals.empty());
  for (const auto& refusal : choice.refusals) EXPECT_FALSE(refusal.reason.empty());
}

/// A product of E4M3 codes as a plan of the set in use.
runtime::Plan plan_of_one_product() {
  Graph graph("product");
  const ValueId x = graph.add_input("x", DType::f8e4m3, {3, 64});
  const ValueId w = graph.add_constant("w", Tensor(DType::f8e4m3, {64, 32}));
  const ValueId y = graph.add_value("y");
  graph.add_node({"node",
                  std::string(kOctetDomain),
                  "Linear",
                  {x, w},
                  {y},
                  {{"out_dtype", std::string("f16")}}});
  graph.set_outputs({y});
  return runtime::compile(std::move(graph), CpuBackend(), {});
}

int64_t count_of(const std::vector<std::string>& texts, std::string_view part) {
  return std::ranges::count_if(
      texts, [part](const std::string& text) { return text.find(part) != std::string::npos; });
}

TEST(CpuBackend, RemarksSayWhereCodesAreDecoded) {
  for (const MatrixSet& set : matrix_sets()) {
    if (!set.available()) continue;
    force_matrix_set(set.name);
    const auto remarks = CpuBackend().remarks(plan_of_one_product());
    const bool in_registers = set.bf16 != nullptr && set.bf16().multiply_codes != nullptr;
    EXPECT_EQ(count_of(remarks, fmt::format("matrix kernel set {}: ", set.name)), 1);
    EXPECT_EQ(count_of(remarks, "1 x linear.packed: f8e4m3 rows"), 1);
    EXPECT_EQ(count_of(remarks, "decoded in registers"), in_registers ? 1 : 0);
    EXPECT_EQ(count_of(remarks, "into a buffer"), in_registers ? 0 : 1);
    EXPECT_EQ(count_of(remarks, "an INT8 engine"), int8_instructions().empty() ? 0 : 1);
  }
  force_matrix_set("");
}

TEST(CpuBackend, NamesItsTarget) {
  EXPECT_TRUE(CpuBackend().target().starts_with("cpu/"));
  EXPECT_EQ(ReferenceBackend().target(), "reference");
}

TEST(CpuBackend, UnknownKernelOfAForeignPlan) {
  const BinaryNode add("Add", DType::f32);
  test::expect_error(ErrorCode::bad_input, {"cpu", "add.of_tomorrow"}, [&] {
    static_cast<void>(CpuBackend().load(add.graph, add.node, {"add.of_tomorrow", {}, {}, {}}));
  });
}

}  // namespace
}  // namespace octet::cpu
