#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "cuda/index_text.h"
#include "cuda/kernel_table.h"
#include "cuda/single.h"

namespace octet::cuda {

// Generic kernels: one text for many nodes, whose index arithmetic and formula are generated. All
// of them get the addresses of the node's operands, inputs before outputs, and the sizes of its
// symbols.

/// The most operands of a generic kernel.
inline constexpr size_t kMaxOperands = 64;
/// The most symbols in the extents of a node's operands.
inline constexpr size_t kMaxSymbols = 8;

/// Why the node is not one for a generic kernel at all.
Refusal refuse_generic(const Graph& graph, const Node& node);

using Defines = std::vector<std::pair<std::string, std::string>>;

/// A generic text: its own defines and those that every generic kernel reads. `held` is the number
/// of tensors behind the operands that the kernel brings along.
KernelSource generic_source(const NodeSite& site, const std::string& file, const std::string& entry,
                            Defines defines, size_t held = 0);

/// The name of any dtype in generic kernels' texts: "f16", "int64_t", "boolean".
std::string element_name(DType dtype);
/// Element `offset` of operand `operand` as it is stored.
std::string element_text(size_t operand, const std::string& type, const std::string& offset);
/// The same of an input of the node, widened to float or int64_t.
std::string wide_text(const Graph& graph, const Node& node, size_t input,
                      const std::string& offset);

/// A number that is known when the node's symbols have sizes.
using Count = std::function<int64_t(std::span<const int64_t> sizes)>;
/// The product of extents.
Count count_of(const std::vector<SymbolPlace>& places, const Dims& dims);

struct GenericLaunch {
  std::string entry;
  unsigned threads = 256;         ///< of a block
  Count blocks;                   ///< that have work; fewer are launched, which then work in turns
  std::vector<Tensor> held = {};  ///< in device memory
};

std::unique_ptr<runtime::Kernel> load_generic(const Device& device, const Graph& graph,
                                              const Node& node, const runtime::KernelChoice& choice,
                                              GenericLaunch launch);

using NodeText = KernelSource (*)(const NodeSite&);
using NodeLoad = std::unique_ptr<runtime::Kernel> (*)(const Device&, const Graph&, const Node&,
                                                      const runtime::KernelChoice&);
using NodeRefuse = Refusal (*)(const Graph&, const Node&);

template <NodeText text>
std::vector<KernelSource> only_source(const Site& site) {
  return {text(site)};
}

template <NodeRefuse refuse>
Refusal refuse_anywhere(const Device& /*device*/, const Graph& graph, const Node& node) {
  return refuse(graph, node);
}

/// A row of the kernel table for a generic kernel.
template <NodeText text, NodeLoad load, NodeRefuse refuse = refuse_generic>
KernelEntry generic_entry(std::string_view name, std::string_view op,
                          std::string_view domain = "") {
  return {name,
          domain,
          op,
          refuse_anywhere<refuse>,
          nullptr,
          only_source<text>,
          compile_only<only_source<text>>,
          load,
          text};
}

}  // namespace octet::cuda
