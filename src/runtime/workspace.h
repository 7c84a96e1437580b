#pragma once

#include <cstdint>

#include "ops/ops.h"
#include "runtime/backend.h"

namespace octet::runtime {

/// What a kernel needs for its node at these sizes, on this machine and with today's threads.
uint64_t workspace_bytes(const Kernel& kernel, const Graph& graph, NodeId node,
                         const SymbolSizes& sizes);

}  // namespace octet::runtime
