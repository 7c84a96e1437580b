#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/backend.h"

namespace octet::api {

/// The backend of that name: "cpu", "reference", or "auto" (the best this machine has). Backends
/// live as long as the program. Throws `Error(device_unavailable)` for one that is not here,
/// `Error(usage)` for an unknown name.
const runtime::Backend& backend(std::string_view name);

/// Names that `backend` takes.
std::vector<std::string> backend_names();

}  // namespace octet::api
