#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "ops/ops.h"
#include "runtime/engine.h"

namespace octet::bench {

// What runs of whole models are fed with, and what they compute.

/// Tokens, begin and end included, of the first caption of each of the first `count` samples of a
/// dataset (a text file with a caption a line, COCO captions, ...).
std::vector<int64_t> caption_lengths(const std::filesystem::path& captions,
                                     const std::filesystem::path& tokenizer_folder, int64_t count);

/// Random inputs of `batch` samples. Text number i ends at its token number lengths[i % size], its
/// end token; without lengths texts fill the whole context.
std::vector<Tensor> model_inputs(const Graph& lowered, int64_t batch,
                                 std::span<const int64_t> lengths);

/// Floating-point operations of a node's products (those of attention too), and bytes, at the
/// extents of this run.
Cost cost_of_run(const Node& node, std::span<const runtime::Operand> inputs,
                 std::span<const runtime::Operand> outputs);

/// The operations of a whole run.
double flops_of_run(runtime::Session& session, std::span<const Tensor> inputs);

}  // namespace octet::bench
