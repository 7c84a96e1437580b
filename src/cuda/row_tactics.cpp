#include "cuda/row_tactics.h"

#include <algorithm>

namespace octet::cuda {

std::vector<int64_t> row_counts(const Site& site, ValueId value) {
  const int64_t least = rows_at(site, value, &runtime::SymbolRange::min);
  std::vector<int64_t> counts{rows_at(site, value, &runtime::SymbolRange::max)};
  while (counts.back() > least) counts.push_back(std::max(least, counts.back() / 4));
  std::ranges::reverse(counts);
  return counts;
}

size_t add_code(runtime::KernelChoice& choice, const Tensor& cubin) {
  const auto found = std::ranges::find(choice.code, cubin);
  if (found != choice.code.end()) return static_cast<size_t>(found - choice.code.begin());
  choice.code.push_back(cubin);
  return choice.code.size() - 1;
}

}  // namespace octet::cuda
