// What this processor can run, as far as the matrix kernel sets and their remarks ask.
#include "cpu/matrix_sets.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace octet::cpu {
namespace {

struct Registers {
  uint32_t eax = 0;
  uint32_t ebx = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
};

Registers query(uint32_t leaf, uint32_t subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

bool has_bit(uint32_t word, int bit) {
  return ((word >> bit) & 1U) != 0;
}

/// The register states that the operating system saves (XCR0).
uint64_t saved_states() {
  if (!has_bit(query(1, 0).ecx, 27)) return 0;  // OSXSAVE
  uint32_t low = 0;
  uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

bool saves(uint64_t states) {
  return (saved_states() & states) == states;
}

constexpr uint64_t kAvxStates = 0x6;      // SSE and AVX
constexpr uint64_t kAvx512States = 0xE6;  // and AVX-512's three

/// Linux gives out the tile registers on request only.
bool request_tiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

/// AVX-512 F, DQ, BW and VL.
bool has_avx512() {
  const Registers features = query(7, 0);
  return saves(kAvx512States) && has_bit(features.ebx, 16) && has_bit(features.ebx, 17) &&
         has_bit(features.ebx, 30) && has_bit(features.ebx, 31);
}

bool find_avx512_bf16() {
  const bool vbmi = has_bit(query(7, 0).ecx, 1);
  return has_avx512() && vbmi && has_bit(query(7, 1).eax, 5);
}

bool find_amx_bf16() {
  constexpr uint64_t kTileStates = 0x60000;
  const Registers features = query(7, 0);
  const bool tiles = has_bit(features.edx, 24) && has_bit(features.edx, 22);
  return has_avx512_bf16() && tiles && saves(kTileStates) && request_tiles();
}

}  // namespace

bool has_avx512_bf16() {
  static const bool found = find_avx512_bf16();
  return found;
}

bool has_avx512_fp16() {
  static const bool found = has_avx512() && has_bit(query(7, 0).edx, 23);
  return found;
}

bool has_amx_bf16() {
  static const bool found = find_amx_bf16();
  return found;
}

std::string_view int8_instructions() {
  const Registers features = query(7, 0);
  if (has_amx_bf16() && has_bit(features.edx, 25)) return "AMX-INT8";
  if (saves(kAvx512States) && has_bit(features.ecx, 11)) return "AVX512-VNNI";
  if (saves(kAvxStates) && has_bit(query(7, 1).eax, 4)) return "AVX-VNNI";
  return {};
}

}  // namespace octet::cpu

#else

bool octet::cpu::has_avx512_fp16() {
  return false;
}

std::string_view octet::cpu::int8_instructions() {
#if defined(__ARM_FEATURE_MATMUL_INT8)
  return "I8MM";
#else
  return {};
#endif
}

#endif
