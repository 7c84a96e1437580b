#include <algorithm>
#include <array>
#include <atomic>
#include <string>

#include "base/error.h"
#include "base/knob.h"
#include "cpu/matrix_sets.h"

namespace octet::cpu {
namespace {

bool always() {
  return true;
}

constexpr std::array kSets {
#if defined(__x86_64__)
  MatrixSet{"amx-bf16", "E4M3 on AMX tiles of BF16, the rest as highway", has_amx_bf16,
            amx_bf16_kernels},
      MatrixSet{"avx512-bf16", "E4M3 with AVX-512 BF16 dot products, the rest as highway",
                has_avx512_bf16, avx512_bf16_kernels},
#endif
      MatrixSet{"highway", "f32 multiply-add after decoding, on any vector instruction set", always,
                nullptr},
};

std::string known_names() {
  std::string names;
  for (const MatrixSet& set : kSets) names += (names.empty() ? "" : ", ") + std::string(set.name);
  return names;
}

const MatrixSet& find_set(std::string_view name) {
  const auto* set = std::ranges::find(kSets, name, &MatrixSet::name);
  if (set == kSets.end()) {
    fail(ErrorCode::usage, "no matrix kernel set '{}'; known: auto, {}", name, known_names());
  }
  if (!set->available()) {
    fail(ErrorCode::device_unavailable, "this processor cannot run the matrix kernel set '{}' ({})",
         name, set->meaning);
  }
  return *set;
}

const MatrixSet& choose_set() {
  const std::string name = knob("OCTET_CPU_KERNELS");
  if (name != "auto" && !name.empty()) return find_set(name);
  return *std::ranges::find_if(kSets, [](const MatrixSet& set) { return set.available(); });
}

std::atomic<const MatrixSet*>& forced_set() {
  static std::atomic<const MatrixSet*> set = nullptr;
  return set;
}

}  // namespace

std::span<const MatrixSet> matrix_sets() {
  return kSets;
}

const MatrixSet& matrix_set() {
  if (const MatrixSet* forced = forced_set().load()) return *forced;
  static const MatrixSet& chosen = choose_set();
  return chosen;
}

void force_matrix_set(std::string_view name) {
  forced_set() = name.empty() ? nullptr : &find_set(name);
}

const DotKernels& dot_kernels(const MatrixSet& set, DType x, DType w) {
  const auto exact_in_bf16 = [](DType dtype) {
    return dtype == DType::f8e4m3 || dtype == DType::bf16;
  };
  if (set.bf16 != nullptr && exact_in_bf16(x) && exact_in_bf16(w)) return set.bf16();
  return f32_kernels();
}

}  // namespace octet::cpu
