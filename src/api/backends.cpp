#include "api/backends.h"

#include <charconv>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/log.h"
#include "cpu/backend.h"
#include "cuda/backend.h"
#include "cuda/compiler.h"

namespace octet::api {
namespace {

int& default_device() {
  static int device = 0;
  return device;
}

int device_index(std::string_view name) {
  if (name == "cuda") return default_device();
  const std::string_view digits = name.substr(std::string_view("cuda:").size());
  int index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    fail(ErrorCode::usage, "'{}' names no device; write cuda:N", name);
  }
  return index;
}

/// One backend a device, made when it is asked for first.
const runtime::Backend& cuda_backend(std::string_view name) {
  static std::mutex mutex;
  static std::map<int, cuda::CudaBackend> backends;
  const int index = device_index(name);
  const std::lock_guard lock(mutex);
  return backends.try_emplace(index, cuda::Device::get(index)).first->second;
}

}  // namespace

void set_cuda_device(int index) {
  default_device() = index;
}

const runtime::Backend& backend(std::string_view name) {
  static const cpu::CpuBackend cpu_backend;
  static const cpu::ReferenceBackend reference_backend;
  if (name == "cpu" || name == "auto") return cpu_backend;
  if (name == "reference") return reference_backend;
  if (name == "cuda" || name.starts_with("cuda:")) return cuda_backend(name);
  fail(ErrorCode::usage, "there is no backend '{}'; there are {}", name,
       fmt::join(backend_names(), ", "));
}

runtime::Plan compile_for(std::string_view name, Graph graph,
                          const runtime::CompileOptions& options) {
  const bool try_gpu =
      name == "auto" && cuda::availability().available && cuda::compiler().available;
  if (try_gpu) {
    try {
      return runtime::compile(graph, backend("cuda"), options);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::bad_input) throw;
      log_info("built for the CPU, because not everything runs on the GPU: {}", error.what());
    }
  }
  return runtime::compile(std::move(graph), backend(name), options);
}

const runtime::Backend& backend_for(std::string_view name, const runtime::Plan& plan) {
  return backend(name == "auto" ? std::string_view(plan.backend) : name);
}

const runtime::Backend& calibration_backend(std::string_view name) {
  return backend(name.starts_with("cuda") ? "cpu" : name);
}

std::vector<std::string> backend_names() {
  return {"auto", "cpu", "cuda", "cuda:N", "reference"};
}

}  // namespace octet::api
