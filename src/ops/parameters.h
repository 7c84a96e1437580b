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
