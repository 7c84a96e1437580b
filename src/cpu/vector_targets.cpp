#include "cpu/vector_targets.h"

#include "base/error.h"
#include "hwy/highway.h"

namespace octet::cpu {

std::vector<std::string> vector_targets() {
  std::vector<std::string> names;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    names.emplace_back(hwy::TargetName(target));
  }
  return names;
}

void force_vector_target(std::string_view name) {
  if (name.empty()) return hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    if (hwy::TargetName(target) == name) return hwy::GetChosenTarget().Update(target);
  }
  fail(ErrorCode::usage, "this machine has no vector target '{}'", name);
}

}  // namespace octet::cpu
