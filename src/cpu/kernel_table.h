#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "graph/graph.h"
#include "runtime/backend.h"

namespace octet::cpu {

/// One row of the kernel table: which nodes a kernel takes and how it is prepared.
struct KernelEntry {
  std::string_view name;  ///< "linear.packed"; what plans and `--explain` show
  std::string_view domain;
  std::string_view op;
  /// Why this kernel cannot take the node, in words; nullopt when it can. Null pointer: takes all.
  std::optional<std::string> (*refuse)(const Graph&, const Node&);
  /// Bytes of constant input `index` as the plan stores them; null pointer: as they are.
  Tensor (*pack)(const Graph&, const Node&, size_t index);
  std::unique_ptr<runtime::Kernel> (*load)(const Graph&, const Node&);
  /// How this machine computes the node (constants packed) and why so, for `--explain`. Null
  /// pointer: there is nothing to say.
  std::string (*explain)(const Graph&, const Node&) = nullptr;
};

/// Blocked, vectorised, threaded kernels, in order of preference.
std::span<const KernelEntry> fast_kernels();
/// Plain kernels, one for every operator: the oracle of every suite, and the last resort.
std::span<const KernelEntry> reference_kernels();

}  // namespace octet::cpu
