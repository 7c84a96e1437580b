#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cuda/compiler.h"
#include "cuda/driver.h"
#include "graph/graph.h"
#include "ops/refusals.h"
#include "runtime/backend.h"

namespace octet::cuda {

/// A node, for sizes inside the ranges: what the texts of generic kernels are made from.
struct NodeSite {
  const Graph& graph;
  const Node& node;
  const runtime::SymbolRanges& symbols;
};

/// What a kernel is specialised for: such a node, on a device.
struct Site : NodeSite {
  const Device& device;
};

/// One row of the kernel table: which nodes a kernel takes, how it is specialised and prepared.
struct KernelEntry {
  std::string_view name;  ///< "linear.gemm"; what plans and `--explain` show
  std::string_view domain;
  std::string_view op;
  /// Why this kernel cannot take the node, in words; nullopt when it can.
  Refusal (*refuse)(const Device&, const Graph&, const Node&);
  /// Bytes of constant input `index` as the plan stores them; null pointer: as they are.
  Tensor (*pack)(const Device&, const Graph&, const Node&, size_t index);
  /// Every text that `specialise` may compile.
  std::vector<KernelSource> (*sources)(const Site&);
  /// Fills in `tactic` and `code`: compiles, and times where there is a choice.
  void (*specialise)(const Site&, runtime::KernelChoice&);
  std::unique_ptr<runtime::Kernel> (*load)(const Device&, const Graph&, const Node&,
                                           const runtime::KernelChoice&);
  /// Of a generic kernel the only text, for any device.
  KernelSource (*generic_text)(const NodeSite&) = nullptr;
};

std::span<const KernelEntry> kernel_table();

// Rows of the table, one file each.
KernelEntry linear_gemm();           // linear.cpp
KernelEntry attention_fused();       // attention_node.cpp
KernelEntry layer_norm_fused();      // layer_norm.cpp: octet.LayerNorm
KernelEntry layer_norm_rows();       // layer_norm.cpp: LayerNormalization
KernelEntry patch_embedding_gemm();  // patch_embedding.cpp
KernelEntry embedding_rows();        // rows.cpp
KernelEntry pool_last();             // rows.cpp
KernelEntry gather_row();            // rows.cpp

// Generic kernels behind them, for any extents: one file a family.
std::vector<KernelEntry> elementwise_kernels();  // elementwise.cpp
std::vector<KernelEntry> movement_kernels();     // movement.cpp
std::vector<KernelEntry> lookup_kernels();       // lookup.cpp
std::vector<KernelEntry> reduction_kernels();    // reduction.cpp
std::vector<KernelEntry> product_kernels();      // plain_product.cpp
std::vector<KernelEntry> plain_attention_kernels();

/// Rows of a value at one end of the symbols' ranges: the product of all extents but the last.
/// Packed rows count at their largest.
int64_t rows_at(const Site& site, ValueId value, int64_t runtime::SymbolRange::*end);

}  // namespace octet::cuda
