#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "ops/ops.h"

namespace octet {

// Parameters of operators, resolved from attributes and constant inputs: what shape rules and the
// kernels of every backend read alike. All throw `Error(bad_input)` naming node and operator.

/// Attribute `steps` of a fused operator: with "f16" every step of the chain that it stands for is
/// rounded to FP16, so that the engine computes what the FP16 graph says.
bool rounds_steps(const Node& node);

/// octet.Linear: neighbouring columns of the output that share alpha and output scale.
struct LinearSection {
  int64_t begin = 0;
  int64_t end = 0;
  float alpha = 1.0F;
  float y_scale = 1.0F;
};
/// Attribute `sections` holds the number of columns of each; without it all `columns` are one.
/// Attributes `alpha` and `y_scale` hold one number for all sections, or one for each.
std::vector<LinearSection> linear_sections(const InferenceContext& context, int64_t columns);

/// octet.Attention: where its operands lie.
struct AttentionOperands {
  struct Part {
    size_t input = 0;    ///< which input of the node
    int64_t column = 0;  ///< its first column there
  };
  Part q;
  Part k;
  Part v;
  int64_t width = 0;          ///< columns of each: heads * head size
  bool pooled_query = false;  ///< q and the output have one row a sample, which sees every key
};
/// With attribute `packed_qkv` the three stand side by side in input 0; inputs 1 and 2 are left
/// out. With attribute `pooled_query` q is [b, width].
AttentionOperands attention_operands(const InferenceContext& context);

/// Values of constant integer input `index`, a scalar as one value. Refuses a computed one.
std::vector<int64_t> constant_integers(const InferenceContext& context, size_t index);

/// Sorted axes of ReduceMean, Squeeze and Unsqueeze: constant input 1, or attribute `axes` as older
/// opsets have it. Empty when the node names none. `rank` is that of the tensor they count in.
std::vector<size_t> axes_of(const InferenceContext& context, size_t rank);

/// Transpose: output axis i is input axis `permutation[i]`.
std::vector<size_t> permutation_of(const InferenceContext& context);

/// Slice along one axis: element i of the output is element start + i * step of the input.
struct SliceAxis {
  int64_t start = 0;
  int64_t step = 1;
  Dim extent;
};
/// One entry per axis of the data. A symbolic axis can only be taken whole.
std::vector<SliceAxis> slice_of(const InferenceContext& context);

/// Pad: elements put before and after an axis; never negative.
struct PadAxis {
  int64_t before = 0;
  int64_t after = 0;
};
/// One entry per axis of the data.
std::vector<PadAxis> pads_of(const InferenceContext& context);

/// Conv over two axes, height first. Groups and dilations are always 1.
struct ConvWindow {
  std::array<int64_t, 2> kernel{};
  std::array<int64_t, 2> stride{};
  std::array<int64_t, 2> pad_before{};
  std::array<int64_t, 2> pad_after{};
};
ConvWindow conv_window_of(const InferenceContext& context);

/// The extents that an i64 vector holds, as far as they follow from constants and from Shape of
/// known values through Cast, Concat, Gather, Slice, Squeeze, Unsqueeze, Reshape and Identity.
/// Constants stand as numbers, so -1 and 0 keep the meaning that Reshape gives them; a `Dim(-1)`
/// has no symbol. nullopt when anything else computes it.
std::optional<Dims> known_extents(const Graph& graph, ValueId value);

}  // namespace octet
