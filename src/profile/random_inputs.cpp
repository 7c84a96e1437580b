#include <algorithm>
#include <random>

#include "base/error.h"
#include "profile/benchmark.h"
#include "tensor/codecs.h"

namespace octet::profile {
namespace {

/// What an integer input of a text tower must look like.
struct TokenRules {
  int64_t table_rows = 0;  ///< 0: not an index into a table
  int64_t eos_token_id = -1;
};

TokenRules token_rules(const Graph& graph, ValueId input) {
  TokenRules rules;
  for (const NodeId id : graph.consumers(input)) {
    const Node& node = graph.node(id);
    const bool looks_up =
        node.is("Embedding", kOctetDomain) || (node.is("Gather") && node.inputs[1] == input);
    if (looks_up) {
      const ValueId table = node.is("Gather") ? node.inputs[0] : node.inputs[1];
      rules.table_rows = graph.value(table).dims.at(0).size();
    }
    if (node.is("RowRanges", kOctetDomain)) rules.eos_token_id = node.integer("eos_token_id", -1);
  }
  return rules;
}

Tensor random_tokens(const Shape& shape, const TokenRules& rules, std::mt19937_64& random) {
  const int64_t end = rules.eos_token_id >= 0 ? rules.eos_token_id : rules.table_rows - 1;
  Tensor tensor(DType::i64, shape);
  const auto ids = tensor.mutable_values<int64_t>();
  const auto length = static_cast<size_t>(shape.back());
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto drawn = static_cast<int64_t>(random() % static_cast<uint64_t>(rules.table_rows));
    const int64_t other = drawn == end ? 0 : drawn;
    ids[i] = (i + 1) % length == 0 ? end : other;
  }
  return tensor;
}

Tensor random_floats(DType dtype, const Shape& shape, std::mt19937_64& random) {
  Tensor tensor(DType::f32, shape);
  for (float& value : tensor.mutable_values<float>()) {
    value = static_cast<float>(random() >> 40) * 0x1p-23F - 1.0F;
  }
  return convert(tensor, dtype);
}

}  // namespace

std::vector<Tensor> random_inputs(const Graph& lowered, std::span<const Shape> shapes,
                                  uint64_t seed) {
  check(shapes.size() == lowered.inputs().size(), "{} shapes for {} inputs", shapes.size(),
        lowered.inputs().size());
  std::mt19937_64 random(seed);
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < shapes.size(); ++i) {
    const ValueId id = lowered.inputs()[i];
    const Value& value = lowered.value(id);
    const TokenRules rules = token_rules(lowered, id);
    if (value.dtype == DType::i64 && rules.table_rows > 0) {
      inputs.push_back(random_tokens(shapes[i], rules, random));
    } else if (is_float(value.dtype)) {
      inputs.push_back(random_floats(value.dtype, shapes[i], random));
    } else {
      fail(ErrorCode::usage, "no random values are known for input '{}' of {}; give --loadInputs",
           value.name, name_of(value.dtype));
    }
  }
  return inputs;
}

}  // namespace octet::profile
