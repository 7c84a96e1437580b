// The texts of all generic kernels, compiled for every architecture.
#include <gtest/gtest.h>

#include <set>

#include "base/threads.h"
#include "cuda/kernel_table.h"
#include "ops/ops.h"
#include "tests/cuda/generic_cases.h"

namespace octet::cuda {
namespace {

const KernelEntry* generic_kernel_of(const Node& node) {
  for (const KernelEntry& entry : kernel_table()) {
    if (node.is(entry.op, entry.domain) && entry.generic_text != nullptr) return &entry;
  }
  return nullptr;
}

/// What is wrong with the kernel of a case; empty when nothing is.
std::string fault(const GenericCase& one, int64_t batch, const std::string& arch) {
  const Node& node = one.graph.node(one.graph.order().front());
  const KernelEntry* entry = generic_kernel_of(node);
  if (entry == nullptr) return "there is no kernel";
  const runtime::SymbolRanges symbols{{"batch", {1, batch, batch}}, {"rows", {1, batch, batch}}};
  try {
    const CompiledKernel kernel =
        compile_kernel(entry->generic_text({one.graph, node, symbols}), arch);
    return kernel.spill_bytes == 0 ? "" : fmt::format("{} bytes spilled", kernel.spill_bytes);
  } catch (const Error& error) {
    return error.what();
  }
}

/// Those that the runtime runs itself.
bool needs_no_kernel(const OpSchema& schema) {
  return schema.is_view || schema.op == "RowRanges";
}

TEST(GenericTable, EveryOperatorHasAKernelForAnyExtents) {
  for (const OpSchema& schema : all_ops()) {
    if (needs_no_kernel(schema)) continue;
    const Node node{"node", std::string(schema.domain), std::string(schema.op), {}, {}, {}};
    EXPECT_NE(generic_kernel_of(node), nullptr) << schema.op;
  }
}

TEST(GenericTable, EveryGenericKernelIsCompiledHere) {
  std::set<std::string> compiled;
  const std::vector<GenericCase> cases = generic_cases();
  for (const GenericCase& one : cases) {
    compiled.insert(one.graph.node(one.graph.order().front()).op);
  }
  for (const KernelEntry& entry : kernel_table()) {
    if (entry.generic_text == nullptr) continue;
    EXPECT_TRUE(compiled.contains(std::string(entry.op))) << entry.name;
  }
}

class GenericCompileTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GenericCompileTest, EveryKernelCompilesWithoutSpills) {
  if (!compiler().available) GTEST_SKIP() << compiler().reason;
  const std::vector<GenericCase> cases = generic_cases();
  std::vector<std::string> faults(cases.size());
  parallel_for(static_cast<int64_t>(cases.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      faults[i] = fault(cases[i], 8, GetParam());
    }
  });
  for (size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(faults[i], "") << cases[i].words;
}

/// So many that offsets need 64 bits.
TEST_P(GenericCompileTest, WideOffsetsCompileToo) {
  if (!compiler().available) GTEST_SKIP() << compiler().reason;
  constexpr int64_t kMany = int64_t{1} << 31;
  std::set<std::string> told;
  for (const GenericCase& one : generic_cases()) {
    if (!told.insert(one.graph.node(one.graph.order().front()).op).second) continue;
    EXPECT_EQ(fault(one, kMany, GetParam()), "") << one.words;
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, GenericCompileTest,
                         ::testing::Values("sm_89", "sm_90a", "sm_120a"),
                         [](const auto& arch) { return std::string(arch.param); });

}  // namespace
}  // namespace octet::cuda
