#include "cuda/qkv_layout.h"

#include <limits>

#include "ops/ops.h"
#include "ops/parameters.h"
#include "ops/refusals.h"

namespace octet::cuda {
namespace {

constexpr size_t kRanges = 3;

/// The extent, more than any kernel takes where it is a symbol.
int largest(const Dim& dim) {
  return dim.is_symbolic() ? std::numeric_limits<int>::max() : static_cast<int>(dim.size());
}

/// The most rows a sample can have.
int max_rows_of(const Graph& graph, const Node& attention,
                const octet::AttentionOperands& operands) {
  if (!has_input(attention, kRanges)) {
    return largest(graph.value(attention.inputs[operands.k.input]).dims.at(1));
  }
  const auto producer = graph.producer(attention.inputs[kRanges]);
  if (!producer) return std::numeric_limits<int>::max();
  return largest(graph.value(graph.node(*producer).inputs.at(0)).dims.back());
}

int64_t pitch_of(const Graph& graph, const Node& attention, size_t input) {
  return graph.value(attention.inputs[input]).dims.back().size();
}

/// V's product and the transposed order of attention agree on heads of one group of columns.
constexpr int kTransposedHeadDim = 64;

}  // namespace

AttentionProblem attention_problem(const Graph& graph, const Node& attention) {
  const octet::AttentionOperands operands = attention_operands(context_of(graph, attention));
  AttentionProblem problem;
  problem.dtype = graph.value(attention.inputs[operands.q.input]).dtype;
  problem.out_dtype = graph.value(attention.outputs.at(0)).dtype;
  problem.heads = static_cast<int>(attention.integer("heads", 1));
  problem.head_dim = static_cast<int>(operands.width) / problem.heads;
  problem.max_rows = max_rows_of(graph, attention, operands);
  problem.causal = attention.integer("causal", 0) != 0;
  problem.ragged = has_input(attention, kRanges);
  problem.pooled_query = operands.pooled_query;
  problem.quantized = attention.number("softmax_scale", 0.0F) != 0.0F;
  problem.q_pitch = pitch_of(graph, attention, operands.q.input);
  problem.k_pitch = pitch_of(graph, attention, operands.k.input);
  problem.v_pitch = pitch_of(graph, attention, operands.v.input);
  return problem;
}

bool takes_values_transposed(const Device& device, const Graph& graph, const Node& attention) {
  if (attention.integer("packed_qkv", 0) == 0) return false;
  AttentionProblem problem = attention_problem(graph, attention);
  if (problem.head_dim != kTransposedHeadDim || problem.dtype != DType::f8e4m3 ||
      problem.max_rows == std::numeric_limits<int>::max()) {
    return false;
  }
  problem.layout = AttentionLayout::values_transposed;
  problem.q_pitch = problem.k_pitch = int64_t{2} * problem.heads * problem.head_dim;
  problem.v_pitch = 16;
  return refusal(problem, device.properties()).empty();
}

int64_t first_transposed_column(const Device& device, const Graph& graph, const Node& linear) {
  const auto reader = graph.sole_consumer(linear.outputs.at(0));
  if (!reader || !graph.node(*reader).is("Attention", kOctetDomain)) return -1;
  const Node& attention = graph.node(*reader);
  if (!takes_values_transposed(device, graph, attention)) return -1;
  return attention_operands(context_of(graph, attention)).v.column;
}

QkvLayout qkv_layout(int64_t rows, int64_t first_transposed) {
  const int64_t padded_rows = (rows + 15) / 16 * 16;
  return {first_transposed, padded_rows * first_transposed, padded_rows};
}

}  // namespace octet::cuda
