#include "cpu/backend.h"

#include "base/error.h"
#include "cuda/backend.h"
#include "cuda/compiler.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

constexpr const char* kGenericCuda = "cuda_generic";

}  // namespace

std::vector<std::string> backend_names() {
  return {"reference", "cpu", kGenericCuda};
}

const runtime::Backend& backend_named(const std::string& name) {
  static const cpu::ReferenceBackend reference;
  static const cpu::CpuBackend fast;
  if (name == reference.name()) return reference;
  if (name == fast.name()) return fast;
  check(name == kGenericCuda, "no backend '{}'", name);
  static const cuda::CudaBackend generic(cuda::Device::get(0), cuda::KernelSet::generic);
  return generic;
}

std::string why_unavailable(const std::string& name) {
  if (name != kGenericCuda) return {};
  if (!cuda::availability().available) return cuda::availability().reason;
  return cuda::compiler().reason;
}

bool reports_bad_values(const std::string& name) {
  return name != kGenericCuda;
}

}  // namespace octet::suites
