#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/backend.h"
#include "runtime/plan.h"

namespace octet::api {

/// The backend of that name: "cpu", "cuda" (the device of `set_cuda_device`), "cuda:N",
/// "reference", or "auto", which is the CPU where no engine is built. Backends live as long as
/// the program. Throws `Error(device_unavailable)` for one that is not here, `Error(usage)` for an
/// unknown name.
const runtime::Backend& backend(std::string_view name);

/// The device that "cuda" stands for, 0 unless set. Before backends are asked for.
void set_cuda_device(int index);

/// Compiles for the backend of that name. "auto" is the GPU where there is one that takes the graph
/// and a compiler of kernels, else the CPU; why a GPU was passed over is logged.
runtime::Plan compile_for(std::string_view name, Graph graph,
                          const runtime::CompileOptions& options);

/// The backend to run a plan with: "auto" is the one it was built for.
const runtime::Backend& backend_for(std::string_view name, const runtime::Plan& plan);

/// The backend that calibration runs on: the named one, or the CPU for a device, which keeps the
/// values between its kernels to itself.
const runtime::Backend& calibration_backend(std::string_view name);

/// Names that `backend` takes.
std::vector<std::string> backend_names();

}  // namespace octet::api
