#include "cpu/vector_targets.h"

#include <atomic>

#include "base/error.h"
#include "cpu/matrix_sets.h"
#include "hwy/highway.h"

namespace octet::cpu {
namespace {

std::atomic<bool>& forced() {
  static std::atomic<bool> is_forced = false;
  return is_forced;
}

}  // namespace

std::vector<std::string> vector_targets() {
  std::vector<std::string> names;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    names.emplace_back(hwy::TargetName(target));
  }
  return names;
}

void force_vector_target(std::string_view name) {
  if (name.empty()) {
    forced() = false;
    return hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    if (hwy::TargetName(target) != name) continue;
    forced() = true;
    return hwy::GetChosenTarget().Update(target);
  }
  fail(ErrorCode::usage, "this machine has no vector target '{}'", name);
}

bool uses_f16_arithmetic() {
  return !forced() && has_avx512_fp16();
}

}  // namespace octet::cpu
