#include "cpu/backend.h"
#include "base/error.h"
#include "tests/suites/problem.h"

namespace octet::suites {

std::vector<std::string> backend_names() {
  return {"reference", "cpu"};
}

const runtime::Backend& backend_named(const std::string& name) {
  static const cpu::ReferenceBackend reference;
  static const cpu::CpuBackend fast;
  if (name == reference.name()) return reference;
  check(name == fast.name(), "no backend '{}'", name);
  return fast;
}

}  // namespace octet::suites
