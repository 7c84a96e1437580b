#include <gtest/gtest.h>

#include <cstring>

#include "base/threads.h"
#include "cuda/gemm_layout.h"
#include "tests/cuda/gemm_shapes.h"

namespace octet::cuda {
namespace {

DeviceProperties device_of(const std::string& arch) {
  DeviceProperties device;
  const int number = std::stoi(arch.substr(3));
  device.major = number / 10;
  device.minor = number % 10;
  device.shared_bytes = (device.major == 9 ? 227 : 99) * 1024;
  device.multiprocessors = 132;
  return device;
}

template <typename T>
T read(std::span<const std::byte> bytes, size_t at) {
  T value{};
  std::memcpy(&value, bytes.subspan(at, sizeof(T)).data(), sizeof(T));
  return value;
}

/// The machine code of a cubin: an ELF file of 64 bits, its executable sections.
std::vector<std::span<const std::byte>> code_of(std::span<const std::byte> elf) {
  constexpr uint64_t kExecutable = 4;
  std::vector<std::span<const std::byte>> sections;
  const auto table = read<uint64_t>(elf, 0x28);
  const size_t size = read<uint16_t>(elf, 0x3A);
  const size_t count = read<uint16_t>(elf, 0x3C);
  for (size_t i = 0; i < count; ++i) {
    const size_t header = table + i * size;
    if ((read<uint64_t>(elf, header + 8) & kExecutable) == 0) continue;
    sections.push_back(
        elf.subspan(read<uint64_t>(elf, header + 24), read<uint64_t>(elf, header + 32)));
  }
  return sections;
}

/// How many of Hopper's instructions have the opcode: the low 12 bits of each 16 bytes.
int count_opcode(const Tensor& cubin, unsigned opcode) {
  int count = 0;
  for (const auto code : code_of(cubin.bytes())) {
    for (size_t at = 0; at + 16 <= code.size(); at += 16) {
      count += (read<uint16_t>(code, at) & 0xFFFU) == opcode ? 1 : 0;
    }
  }
  return count;
}
constexpr unsigned kQgmma = 0x9F3;  // wgmma of e4m3
constexpr unsigned kHgmma = 0x9F0;  // wgmma of f16

class GemmCompileTest : public ::testing::TestWithParam<const char*> {};

void compile_and_check(const GemmProblem& problem, const GemmTactic& tactic,
                       const std::string& arch) {
  const CompiledKernel kernel = compile_kernel(source(problem, tactic), arch);
  EXPECT_EQ(kernel.spill_bytes, 0) << to_string(tactic);
  EXPECT_EQ(kernel.log.find("C75"), std::string::npos) << to_string(tactic) << kernel.log;
  if (tactic.kernel == GemmKernel::mma) return;
  const bool f16 = problem.operand_dtype == DType::f16;
  EXPECT_GE(count_opcode(kernel.cubin, f16 ? kHgmma : kQgmma), 4) << to_string(tactic);
}

TEST_P(GemmCompileTest, EveryTacticCompilesWithoutSpills) {
  if (!compiler().available) GTEST_SKIP() << compiler().reason;
  const DeviceProperties device = device_of(GetParam());
  for (const NamedProblem& named : gemm_problems()) {
    SCOPED_TRACE(named.name);
    for (const GemmTactic& tactic : every_tactic(named.problem, device)) {
      compile_and_check(named.problem, tactic, GetParam());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, GemmCompileTest,
                         ::testing::Values("sm_89", "sm_90a", "sm_120a"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace octet::cuda
