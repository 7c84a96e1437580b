#include "tests/cuda/machine_code.h"

#include <cstring>
#include <span>
#include <vector>

namespace octet::cuda {
namespace {

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

}  // namespace

int count_opcode(const Tensor& cubin, unsigned opcode) {
  int count = 0;
  for (const auto code : code_of(cubin.bytes())) {
    for (size_t at = 0; at + 16 <= code.size(); at += 16) {
      count += (read<uint16_t>(code, at) & 0xFFFU) == opcode ? 1 : 0;
    }
  }
  return count;
}

}  // namespace octet::cuda
