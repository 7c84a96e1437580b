#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "graph/graph.h"
#include "runtime/stream.h"
#include "tensor/tensor.h"

namespace octet::runtime {

inline constexpr size_t kMaxRank = 6;

/// One operand of a running kernel: memory with a type and the extents of this run.
/// `data` is aligned to 64 except for caller-owned inputs. Borrowed for the call.
struct Operand {
  DType dtype = DType::f32;
  size_t rank = 0;
  std::array<int64_t, kMaxRank> extents{};
  std::byte* data = nullptr;

  [[nodiscard]] bool present() const { return data != nullptr; }
  [[nodiscard]] int64_t extent(size_t axis) const { return extents[axis]; }
  [[nodiscard]] int64_t last() const { return rank == 0 ? 1 : extents[rank - 1]; }
  [[nodiscard]] int64_t count() const {
    int64_t product = 1;
    for (size_t axis = 0; axis < rank; ++axis) product *= extents[axis];
    return product;
  }
  /// count() / last(): the rows of a row-wise operator.
  [[nodiscard]] int64_t rows() const { return last() == 0 ? 0 : count() / last(); }
  [[nodiscard]] size_t size_bytes() const { return static_cast<size_t>(count()) * size_of(dtype); }
  [[nodiscard]] Shape shape() const { return {extents.begin(), extents.begin() + rank}; }
  template <typename T>
  [[nodiscard]] T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

/// A tensor as an operand that is only read; borrowed.
Operand view_of(const Tensor& tensor);
/// Its memory, for an operand whose extents come from elsewhere.
std::byte* operand_data(const Tensor& tensor);

/// What a kernel gets for one run. Operands stand as in the node; left-out optional inputs are not
/// `present()`. The workspace has at least `workspace_bytes` bytes, aligned to 64.
struct KernelArgs {
  std::span<const Operand> inputs;
  std::span<const Operand> outputs;
  std::span<std::byte> workspace;
  Stream* stream = nullptr;  ///< of the backend's own kind; what a device kernel is issued to
};

/// A kernel prepared for one node of one plan. Immutable, shared by all Sessions of an Engine.
class Kernel {
 public:
  Kernel() = default;
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  virtual ~Kernel() = default;

  /// Bytes of scratch for operands of these extents (the largest that will be run).
  [[nodiscard]] virtual size_t workspace_bytes(std::span<const Operand> inputs,
                                               std::span<const Operand> outputs) const {
    static_cast<void>(inputs);
    static_cast<void>(outputs);
    return 0;
  }
  /// Computes every output, or issues the work that does to `args.stream`. Must not allocate.
  virtual void run(const KernelArgs& args) const = 0;
};

/// Sizes a symbolic dimension may have at run time.
struct SymbolRange {
  int64_t min = 1;
  int64_t opt = 1;
  int64_t max = 1;
  friend bool operator==(const SymbolRange&, const SymbolRange&) = default;
};
using SymbolRanges = std::map<std::string, SymbolRange, std::less<>>;

struct Plan;

/// Which entry of a backend's kernel table takes a node, and why the ones before it refused.
struct KernelChoice {
  struct Refusal {
    std::string kernel;
    std::string reason;
  };
  std::string kernel;  ///< empty when every entry refused
  std::vector<Refusal> refusals;
  Json tactic;               ///< how the kernel was specialised for the node; null where it is not
  std::vector<Tensor> code;  ///< U8: machine code that the tactic refers to by index
};

/// The only door to a device. Implementations are stateless and safe to use from several threads.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  /// "cpu", "reference", "cuda".
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// What plans of this machine are made for, such as "cpu/avx512-bf16".
  [[nodiscard]] virtual std::string target() const = 0;
  /// Device passes, less those named in `disabled`: fuses and lowers the verified, shape-inferred
  /// graph to what the kernels take.
  virtual void lower(Graph& graph, std::span<const std::string> disabled) const = 0;
  /// Called once for a lowered graph, before its nodes choose: what a device compiles for them can
  /// so be compiled side by side.
  virtual void prepare(const Graph& graph, const SymbolRanges& symbols) const {
    static_cast<void>(graph);
    static_cast<void>(symbols);
  }
  /// Walks the kernel table for one node of a lowered graph and, where the kernel can be
  /// specialised, finds the best way for sizes inside `symbols`.
  [[nodiscard]] virtual KernelChoice choose(const Graph& graph, NodeId node,
                                            const SymbolRanges& symbols) const = 0;
  /// The bytes under which constant input `index` of a node goes into the plan: packed for the
  /// chosen kernel, or the constant as it is. Every kernel set of a backend reads the same packing.
  [[nodiscard]] virtual Tensor pack(const Graph& graph, NodeId node, size_t index,
                                    const std::string& kernel) const = 0;
  /// Prepares the chosen kernel for a node. Constants of `graph` are packed already.
  [[nodiscard]] virtual std::unique_ptr<Kernel> load(const Graph& graph, NodeId node,
                                                     const KernelChoice& choice) const = 0;

  /// What `--explain` says beside the kernels, a sentence each: how this machine computes the steps
  /// of a plan, and why so.
  [[nodiscard]] virtual std::vector<std::string> remarks(const Plan& plan) const {
    static_cast<void>(plan);
    return {};
  }

  // What a device with memory of its own overrides.

  [[nodiscard]] virtual std::unique_ptr<Stream> make_stream() const {
    return std::make_unique<HostStream>();
  }
  /// The constant where kernels can read it; a view of it where that is host memory.
  [[nodiscard]] virtual Tensor place(const Tensor& constant) const { return constant; }
  /// Packed rows (octet.RowRanges) are counted up to a multiple of this, so that fewer sizes occur;
  /// what the rows behind the last sample hold is undefined.
  [[nodiscard]] virtual int64_t row_granularity() const { return 1; }
  /// Bytes behind a value that kernels may read or write besides its own.
  [[nodiscard]] virtual uint64_t bytes_behind(const Graph& graph, ValueId value) const {
    static_cast<void>(graph);
    static_cast<void>(value);
    return 0;
  }
};

}  // namespace octet::runtime
