#include <algorithm>

#include "ops/rules.h"

namespace octet {
namespace {

std::string name_of(const Node& node) {
  return node.domain.empty() ? node.op : node.domain + "." + node.op;
}

/// How many inputs a node may have, in words: "2", "2 to 4", "at least 1".
std::string expected_inputs(const OpSchema& schema) {
  if (schema.min_inputs == schema.max_inputs) return fmt::format("{}", schema.min_inputs);
  if (schema.max_inputs == kAnyInputs) return fmt::format("at least {}", schema.min_inputs);
  return fmt::format("{} to {}", schema.min_inputs, schema.max_inputs);
}

void check_operands(const InferenceContext& context, const OpSchema& schema) {
  const auto count = static_cast<int>(context.node.inputs.size());
  if (count < schema.min_inputs || count > schema.max_inputs) {
    context.refuse(fmt::format("it has {} inputs; it takes {}", count, expected_inputs(schema)));
  }
  for (int i = 0; i < schema.min_inputs; ++i) require_input(context, static_cast<size_t>(i));
  if (static_cast<int>(context.node.outputs.size()) != schema.outputs) {
    context.refuse(fmt::format("it has {} outputs; it has to have {}", context.node.outputs.size(),
                               schema.outputs));
  }
}

void infer_node(Graph& graph, const Node& node) {
  const InferenceContext context = context_of(graph, node);
  const OpSchema* schema = find_op(node.domain, node.op);
  if (schema == nullptr) context.refuse("the operator is not known");
  check_operands(context, *schema);
  const std::vector<ValueType> types = schema->infer(context);
  for (size_t i = 0; i < types.size(); ++i) {
    graph.set_type(node.outputs[i], types[i].dtype, types[i].dims);
  }
}

}  // namespace

bool InferenceContext::has(size_t index) const {
  return index < node.inputs.size() && node.inputs[index] != kNoValue;
}

const Tensor* InferenceContext::constant(size_t index) const {
  if (!has(index)) return nullptr;
  const auto& constant = graph.value(node.inputs[index]).constant;
  return constant ? &*constant : nullptr;
}

void InferenceContext::refuse(const std::string& reason) const {
  fail_input("node '{}' ({}): {}", node.name, name_of(node), reason);
}

InferenceContext context_of(const Graph& graph, const Node& node) {
  InferenceContext context{graph, node, {}};
  context.types.reserve(node.inputs.size());
  for (const ValueId input : node.inputs) {
    if (input == kNoValue) {
      context.types.emplace_back();
    } else {
      context.types.push_back({graph.value(input).dtype, graph.value(input).dims});
    }
  }
  return context;
}

void infer_types(Graph& graph) {
  for (const NodeId id : graph.order()) infer_node(graph, graph.node(id));
}

}  // namespace octet
