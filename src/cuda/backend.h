#pragma once

#include <memory>
#include <span>
#include <string>

#include "cuda/driver.h"
#include "runtime/backend.h"

namespace octet::cuda {

struct KernelEntry;

/// Which rows of the kernel table a backend asks.
enum class KernelSet : uint8_t {
  all,
  generic,  ///< the plain ones alone: what the others are measured against
};

/// "cuda": kernels specialised for one GPU, compiled and timed when an engine is built; the plan
/// holds them, so that running needs the driver alone.
class CudaBackend final : public runtime::Backend {
 public:
  explicit CudaBackend(const Device& device, KernelSet kernels = KernelSet::all)
      : device_(device), kernels_(kernels) {}

  [[nodiscard]] std::string_view name() const override { return "cuda"; }
  /// "cuda/sm_90a"
  [[nodiscard]] std::string target() const override;
  void lower(Graph& graph, std::span<const std::string> disabled) const override;
  void prepare(const Graph& graph, const runtime::SymbolRanges& symbols) const override;
  [[nodiscard]] runtime::KernelChoice choose(const Graph& graph, NodeId node,
                                             const runtime::SymbolRanges& symbols) const override;
  [[nodiscard]] Tensor pack(const Graph& graph, NodeId node, size_t index,
                            const std::string& kernel) const override;
  [[nodiscard]] std::unique_ptr<runtime::Kernel> load(
      const Graph& graph, NodeId node, const runtime::KernelChoice& choice) const override;
  [[nodiscard]] std::vector<std::string> remarks(const runtime::Plan& plan) const override;
  [[nodiscard]] std::unique_ptr<runtime::Stream> make_stream() const override;
  [[nodiscard]] Tensor place(const Tensor& constant) const override;
  [[nodiscard]] int64_t row_granularity() const override;
  [[nodiscard]] uint64_t bytes_behind(const Graph& graph, ValueId value) const override;

 private:
  /// Null when all refuse; the reasons go into `choice`.
  const KernelEntry* first_that_takes(const Graph& graph, const Node& node,
                                      runtime::KernelChoice& choice) const;

  const Device& device_;
  KernelSet kernels_;
};

}  // namespace octet::cuda
