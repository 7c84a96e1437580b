#include "cuda/row_tactics.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"

namespace octet::cuda {

std::vector<int64_t> row_counts(const Site& site, ValueId value) {
  const int64_t least = rows_at(site, value, &runtime::SymbolRange::min);
  std::vector<int64_t> counts{rows_at(site, value, &runtime::SymbolRange::max)};
  while (counts.back() > least) counts.push_back(std::max(least, counts.back() / 4));
  std::ranges::reverse(counts);
  return counts;
}

void add_way(runtime::KernelChoice& choice, int64_t max_rows, const Tuned& winner) {
  const auto known = std::ranges::find(choice.code, winner.cubin);
  const auto index = static_cast<size_t>(known - choice.code.begin());
  if (known == choice.code.end()) choice.code.push_back(winner.cubin);
  choice.tactic.push_back({{"max_rows", max_rows},
                           {"tactic", winner.tactic},
                           {"code", index},
                           {"us", winner.microseconds},
                           {"explanation", winner.explanation}});
}

std::vector<Way> ways_of(const runtime::KernelChoice& choice, const std::string& node) {
  std::vector<Way> ways;
  for (const Json& way : choice.tactic) {
    const auto index = json_at<size_t>(way, "code", node);
    if (index >= choice.code.size()) fail_input("'{}': its kernel is missing in the plan", node);
    ways.push_back({json_at<int64_t>(way, "max_rows", node), json_at<Json>(way, "tactic", node),
                    choice.code[index]});
  }
  if (ways.empty()) fail_input("'{}': the plan holds no kernel for it", node);
  return ways;
}

}  // namespace octet::cuda
