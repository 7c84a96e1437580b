#include "api/backends.h"

#include "base/error.h"
#include "cpu/backend.h"

namespace octet::api {

const runtime::Backend& backend(std::string_view name) {
  static const cpu::CpuBackend cpu_backend;
  static const cpu::ReferenceBackend reference_backend;
  if (name == "cpu" || name == "auto") return cpu_backend;
  if (name == "reference") return reference_backend;
  if (name == "cuda") {
    fail(ErrorCode::device_unavailable,
         "this version has no CUDA backend; use --backend cpu or --backend auto");
  }
  fail(ErrorCode::usage, "there is no backend '{}'; there are {}", name,
       fmt::join(backend_names(), ", "));
}

std::vector<std::string> backend_names() {
  return {"auto", "cpu", "reference"};
}

}  // namespace octet::api
