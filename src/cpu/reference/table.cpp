#include <array>
#include <vector>

#include "cpu/reference/families.h"

namespace octet::cpu {
namespace {

std::vector<KernelEntry> collect() {
  const std::array families{reference::elementwise_kernels(),   reference::matrix_kernels(),
                            reference::normalization_kernels(), reference::attention_kernels(),
                            reference::embedding_kernels(),     reference::quantize_kernels(),
                            reference::layout_kernels(),        reference::gather_kernels(),
                            reference::reduce_kernels()};
  std::vector<KernelEntry> all;
  for (const auto& family : families) all.insert(all.end(), family.begin(), family.end());
  return all;
}

}  // namespace

std::span<const KernelEntry> reference_kernels() {
  static const std::vector<KernelEntry> table = collect();
  return table;
}

}  // namespace octet::cpu
