#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cpu/kernel_table.h"
#include "runtime/backend.h"

namespace octet::cpu {

/// A backend that is nothing but kernel tables, walked in order: the first entry that does not
/// refuse a node takes it.
class TableBackend : public runtime::Backend {
 public:
  [[nodiscard]] runtime::KernelChoice choose(const Graph& graph, NodeId node,
                                             const runtime::SymbolRanges& symbols) const override;
  [[nodiscard]] Tensor pack(const Graph& graph, NodeId node, size_t index,
                            const std::string& kernel) const override;
  /// Throws `Error(bad_input)` for a kernel that the tables do not hold.
  [[nodiscard]] std::unique_ptr<runtime::Kernel> load(
      const Graph& graph, NodeId node, const runtime::KernelChoice& choice) const override;
  /// What the kernels say of their nodes, equal ones together.
  [[nodiscard]] std::vector<std::string> remarks(const runtime::Plan& plan) const override;

 protected:
  using Tables = std::vector<std::span<const KernelEntry>>;
  explicit TableBackend(Tables tables) : tables_(std::move(tables)) {}

 private:
  [[nodiscard]] const KernelEntry& entry(const std::string& kernel) const;

  Tables tables_;
};

/// "cpu": fused, blocked, vectorised kernels; the plain ones where there is no fast one.
class CpuBackend : public TableBackend {
 public:
  CpuBackend();
  [[nodiscard]] std::string_view name() const override { return "cpu"; }
  [[nodiscard]] std::string target() const override;
  void lower(Graph& graph, std::span<const std::string> disabled) const override;
  /// Also says where this processor would run another number format faster.
  [[nodiscard]] std::vector<std::string> remarks(const runtime::Plan& plan) const override;
};

/// "reference": plain kernels on the graph as it is, the oracle.
class ReferenceBackend : public TableBackend {
 public:
  ReferenceBackend();
  [[nodiscard]] std::string_view name() const override { return "reference"; }
  [[nodiscard]] std::string target() const override { return "reference"; }
  void lower(Graph& /*graph*/, std::span<const std::string> /*disabled*/) const override {}
};

}  // namespace octet::cpu
