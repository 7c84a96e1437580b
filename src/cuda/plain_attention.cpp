// octet.Attention in dtypes, heads and rows that no tensor-core kernel takes.
#include "cuda/generated.h"
#include "ops/ops.h"
#include "ops/parameters.h"

namespace octet::cuda {
namespace {

using runtime::KernelChoice;

constexpr const char* kEntry = "plain_attention";
constexpr size_t kRanges = 3;
constexpr int64_t kParts = 8;  // as in kernels/plain_attention.cu
constexpr unsigned kThreads = 256;
constexpr int64_t kMaxHead = 1024;

int64_t head_of(const Graph& graph, const Node& node) {
  return octet::attention_operands(context_of(graph, node)).width / node.integer("heads", 1);
}

Refusal refuse(const Graph& graph, const Node& node) {
  const int64_t head = head_of(graph, node);
  if (head > kMaxHead) return fmt::format("a head of {} is larger than {}", head, kMaxHead);
  return refuse_generic(graph, node);
}

/// Element [row, column] of q, k or v, which may stand side by side in one input.
std::string part_text(const Graph& graph, const Node& node,
                      const octet::AttentionOperands::Part& part) {
  const int64_t pitch = graph.value(node.inputs.at(part.input)).dims.back().size();
  const std::string column = plus("column", std::to_string(part.column));
  return wide_text(graph, node, part.input, plus(times("row", std::to_string(pitch)), column));
}

Dim samples_of(const Graph& graph, const Node& node) {
  const size_t input = has_input(node, kRanges)
                           ? kRanges
                           : octet::attention_operands(context_of(graph, node)).k.input;
  return graph.value(node.inputs.at(input)).dims[0];
}

/// Rows of a sample: which they are depends on the run when samples are ragged.
Defines row_defines(const Graph& graph, const Node& node,
                    const octet::AttentionOperands& operands) {
  const IndexText index(symbols_of(graph, node));
  std::string begin;
  std::string rows;
  if (has_input(node, kRanges)) {
    begin = element_text(kRanges, "int32_t", "2 * sample");
    rows = fmt::format("({} - {})", element_text(kRanges, "int32_t", "2 * sample + 1"), begin);
  } else {
    rows = index.extent(graph.value(node.inputs[operands.k.input]).dims[1]);
    begin = fmt::format("(sample * {})", rows);
  }
  return {{"KEYS_BEGIN", begin},
          {"KEYS", rows},
          {"QUERIES_BEGIN", operands.pooled_query ? "sample" : begin},
          {"QUERIES", operands.pooled_query ? "1" : rows}};
}

KernelSource text_of(const NodeSite& site) {
  const Graph& graph = site.graph;
  const Node& node = site.node;
  const octet::AttentionOperands operands = attention_operands(context_of(graph, node));
  const IndexText index(symbols_of(graph, node));
  const DType y = graph.value(node.outputs.at(0)).dtype;
  const float factor =
      node.number("scale", 1.0F) * node.number("q_scale", 1.0F) * node.number("k_scale", 1.0F);
  Defines defines = row_defines(graph, node, operands);
  defines.insert(
      defines.end(),
      {{"SAMPLES", index.extent(samples_of(graph, node))},
       {"HEADS", std::to_string(node.integer("heads", 1))},
       {"HEAD", std::to_string(head_of(graph, node))},
       {"Q", part_text(graph, node, operands.q)},
       {"K", part_text(graph, node, operands.k)},
       {"V", part_text(graph, node, operands.v)},
       {"Y", element_name(y)},
       {"OUTPUT", std::to_string(node.inputs.size())},
       {"CAUSAL", std::to_string(node.integer("causal", 0) != 0 ? 1 : 0)},
       {"FACTOR", number_text(factor)},
       {"V_SCALE", number_text(node.number("v_scale", 1.0F))},
       {"SOFTMAX_SCALE", number_text(node.number("softmax_scale", 0.0F))},
       {"Y_SCALE", number_text(y == DType::f8e4m3 ? node.number("y_scale", 1.0F) : 1.0F)},
       {"ROUNDED", rounds_steps(node) ? "1" : "0"}});
  return generic_source(site, "plain_attention.cu", kEntry, std::move(defines));
}

std::unique_ptr<runtime::Kernel> load(const Device& device, const Graph& graph, const Node& node,
                                      const KernelChoice& choice) {
  const Count samples = count_of(symbols_of(graph, node), {samples_of(graph, node)});
  const int64_t a_sample = node.integer("heads", 1) * kParts;
  const auto blocks = [samples, a_sample](std::span<const int64_t> sizes) {
    return samples(sizes) * a_sample;
  };
  return load_generic(device, graph, node, choice, {kEntry, kThreads, blocks});
}

}  // namespace

std::vector<KernelEntry> plain_attention_kernels() {
  return {generic_entry<text_of, load, refuse>("generic.Attention", "Attention", kOctetDomain)};
}

}  // namespace octet::cuda
