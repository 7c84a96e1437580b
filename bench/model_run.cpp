#include "bench/model_run.h"

#include <algorithm>

#include "data/dataset.h"
#include "data/tokenizer.h"
#include "profile/benchmark.h"

namespace octet::bench {
namespace {

/// From its token number `length` on a text is end tokens.
void end_texts(Tensor& ids, std::span<const int64_t> lengths) {
  const int64_t context = ids.extent(1);
  for (int64_t text = 0; text < ids.extent(0); ++text) {
    const int64_t length = lengths[static_cast<size_t>(text) % lengths.size()];
    const auto row = ids.mutable_values<int64_t>().subspan(static_cast<size_t>(text * context),
                                                           static_cast<size_t>(context));
    std::ranges::fill(row.subspan(static_cast<size_t>(std::min(length, context) - 1)), row.back());
  }
}

/// Pairs of a query row and a key row that an octet.Attention looks at.
double pairs_of_attention(const Node& node, std::span<const runtime::Operand> inputs) {
  const bool pooled = node.integer("pooled_query", 0) != 0;
  const bool causal = node.integer("causal", 0) != 0;
  const auto pairs_of = [&](int64_t keys) {
    if (pooled) return keys;
    return causal ? keys * (keys + 1) / 2 : keys * keys;
  };
  constexpr size_t kRanges = 3;
  if (inputs.size() <= kRanges || !inputs[kRanges].present()) {
    const runtime::Operand& keys = inputs[node.integer("packed_qkv", 0) != 0 ? 0 : 1];
    return static_cast<double>(keys.extent(0) * pairs_of(keys.extent(1)));
  }
  const auto* ranges = inputs[kRanges].as<int32_t>();
  double pairs = 0;
  for (int64_t i = 0; i < inputs[kRanges].extent(0); ++i) {
    pairs += static_cast<double>(pairs_of(ranges[2 * i + 1] - ranges[2 * i]));
  }
  return pairs;
}

}  // namespace

std::vector<int64_t> caption_lengths(const std::filesystem::path& captions,
                                     const std::filesystem::path& tokenizer_folder, int64_t count) {
  const auto tokenizer = data::Tokenizer::from_folder(tokenizer_folder, {});
  const auto set = data::open_dataset(captions);
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < std::min(count, set->size()); ++i) {
    for (const std::string& caption : set->at(i).captions) {
      lengths.push_back(std::ssize(tokenizer.encode(caption)));
      break;
    }
  }
  return lengths;
}

std::vector<Tensor> model_inputs(const Graph& lowered, int64_t batch,
                                 std::span<const int64_t> lengths) {
  std::vector<Shape> shapes;
  for (const ValueId id : lowered.inputs()) {
    Dims dims = lowered.value(id).dims;
    if (dims.front().is_symbolic()) dims.front() = batch;
    shapes.push_back(*to_shape(dims));
  }
  std::vector<Tensor> inputs = profile::random_inputs(lowered, shapes, 1);
  for (Tensor& input : inputs) {
    if (input.dtype() == DType::i64 && !lengths.empty()) end_texts(input, lengths);
  }
  return inputs;
}

Cost cost_of_run(const Node& node, std::span<const runtime::Operand> inputs,
                 std::span<const runtime::Operand> outputs) {
  Cost cost;
  for (const auto& operand : inputs) cost.bytes += static_cast<double>(operand.size_bytes());
  for (const auto& operand : outputs) cost.bytes += static_cast<double>(operand.size_bytes());
  if (node.is("Linear", kOctetDomain)) {
    cost.flops = 2.0 * static_cast<double>(outputs[0].count() * inputs[0].last());
  }
  if (node.is("Attention", kOctetDomain)) {
    const auto width = static_cast<double>(outputs[0].last());
    cost.flops = 4.0 * width * pairs_of_attention(node, inputs);  // scores and values
  }
  return cost;
}

double flops_of_run(runtime::Session& session, std::span<const Tensor> inputs) {
  double flops = 0;
  session.set_hook([&](const Node& node, auto operands, auto outputs) {
    flops += cost_of_run(node, operands, outputs).flops;
  });
  session.run(inputs);
  session.set_hook({});
  return flops;
}

}  // namespace octet::bench
