#include "graph/graph.h"

#include <algorithm>
#include <set>

#include "base/error.h"

namespace octet {
namespace {

size_t index(ValueId id) {
  return static_cast<size_t>(id);
}
size_t index(NodeId id) {
  return static_cast<size_t>(id);
}

template <typename T>
T attribute_as(const Node& node, std::string_view key, T fallback, std::string_view type) {
  const auto found = node.attributes.find(key);
  if (found == node.attributes.end()) return fallback;
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) {
    fail_input("node '{}' ({}): attribute '{}' is not {}", node.name, node.op, key, type);
  }
  return *value;
}

}  // namespace

Dims to_dims(const Shape& shape) {
  return {shape.begin(), shape.end()};
}

std::optional<Shape> to_shape(const Dims& dims) {
  Shape shape;
  for (const Dim& dim : dims) {
    if (dim.is_symbolic()) return std::nullopt;
    shape.push_back(dim.size());
  }
  return shape;
}

std::string to_string(const Dims& dims) {
  std::vector<std::string> parts;
  for (const Dim& dim : dims) {
    parts.push_back(dim.is_symbolic() ? dim.symbol() : std::to_string(dim.size()));
  }
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

int64_t Node::integer(std::string_view key, int64_t fallback) const {
  return attribute_as<int64_t>(*this, key, fallback, "an integer");
}

float Node::number(std::string_view key, float fallback) const {
  return attribute_as<float>(*this, key, fallback, "a float");
}

std::string Node::text(std::string_view key, std::string_view fallback) const {
  return attribute_as<std::string>(*this, key, std::string(fallback), "a string");
}

std::vector<int64_t> Node::integers(std::string_view key) const {
  return attribute_as<std::vector<int64_t>>(*this, key, {}, "a list of integers");
}

std::vector<float> Node::numbers(std::string_view key) const {
  const auto found = attributes.find(key);
  if (found != attributes.end() && std::holds_alternative<float>(found->second)) {
    return {std::get<float>(found->second)};
  }
  return attribute_as<std::vector<float>>(*this, key, {}, "a list of floats");
}

ValueId Graph::add(Value value) {
  const ValueId id{static_cast<uint32_t>(values_.size())};
  check(!value.name.empty(), "a value of graph '{}' has no name", name_);
  const bool fresh = value_names_.emplace(value.name, id).second;
  check(fresh, "graph '{}' already has a value '{}'", name_, value.name);
  values_.push_back(std::move(value));
  value_live_.push_back(true);
  producers_.emplace_back();
  return id;
}

ValueId Graph::add_input(std::string name, DType dtype, Dims dims) {
  const ValueId id = add({std::move(name), dtype, std::move(dims), std::nullopt});
  inputs_.push_back(id);
  return id;
}

ValueId Graph::add_constant(std::string name, Tensor tensor) {
  const DType dtype = tensor.dtype();
  Dims dims = to_dims(tensor.shape());
  return add({std::move(name), dtype, std::move(dims), std::move(tensor)});
}

ValueId Graph::add_value(std::string name, DType dtype, Dims dims) {
  return add({std::move(name), dtype, std::move(dims), std::nullopt});
}

NodeId Graph::add_node(Node node) {
  const NodeId id{static_cast<uint32_t>(nodes_.size())};
  check(!node.name.empty(), "a {} node of graph '{}' has no name", node.op, name_);
  const bool fresh = node_names_.emplace(node.name, id).second;
  check(fresh, "graph '{}' already has a node '{}'", name_, node.name);
  for (const ValueId output : node.outputs) {
    if (output == kNoValue) continue;
    check(!producers_.at(index(output)), "value '{}' is written twice", value(output).name);
    producers_[index(output)] = id;
  }
  nodes_.push_back(std::move(node));
  node_live_.push_back(true);
  order_.push_back(id);
  return id;
}

const Node& Graph::node(NodeId id) const {
  return nodes_.at(index(id));
}

bool Graph::is_live(NodeId id) const {
  return node_live_.at(index(id));
}

const Value& Graph::value(ValueId id) const {
  check(id != kNoValue, "a left-out input of graph '{}' was used", name_);
  return values_.at(index(id));
}

std::vector<ValueId> Graph::values() const {
  std::vector<ValueId> live;
  for (size_t i = 0; i < values_.size(); ++i) {
    if (value_live_[i]) live.push_back(ValueId{static_cast<uint32_t>(i)});
  }
  return live;
}

std::optional<ValueId> Graph::find_value(std::string_view name) const {
  const auto found = value_names_.find(name);
  return found == value_names_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<NodeId> Graph::find_node(std::string_view name) const {
  const auto found = node_names_.find(name);
  return found == node_names_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<NodeId> Graph::producer(ValueId id) const {
  return id == kNoValue ? std::nullopt : producers_.at(index(id));
}

std::vector<NodeId> Graph::consumers(ValueId id) const {
  std::vector<NodeId> readers;
  for (const NodeId node_id : order_) {
    if (std::ranges::count(node(node_id).inputs, id) > 0) readers.push_back(node_id);
  }
  return readers;
}

std::optional<NodeId> Graph::sole_consumer(ValueId id) const {
  if (is_output(id)) return std::nullopt;
  const std::vector<NodeId> readers = consumers(id);
  return readers.size() == 1 ? std::optional(readers.front()) : std::nullopt;
}

bool Graph::is_output(ValueId id) const {
  return std::ranges::count(outputs_, id) > 0;
}

bool Graph::is_constant(ValueId id) const {
  return id != kNoValue && value(id).constant;
}

void Graph::set_type(ValueId id, DType dtype, Dims dims) {
  Value& target = values_.at(index(id));
  target.dtype = dtype;
  target.dims = std::move(dims);
}

void Graph::verify() const {
  std::vector<bool> ready(values_.size(), false);
  for (const ValueId id : inputs_) ready[index(id)] = true;
  for (size_t i = 0; i < values_.size(); ++i) {
    if (value_live_[i] && values_[i].constant) ready[i] = true;
  }
  for (const NodeId id : order_) {
    const Node& current = node(id);
    for (const ValueId input : current.inputs) {
      if (input == kNoValue) continue;
      check(value_live_.at(index(input)) && ready[index(input)],
            "node '{}' reads '{}' before it is written", current.name, values_[index(input)].name);
    }
    for (const ValueId output : current.outputs) {
      if (output != kNoValue) ready.at(index(output)) = true;
    }
  }
  for (const ValueId id : outputs_) {
    check(ready.at(index(id)), "nothing writes output '{}'", value(id).name);
  }
}

namespace {

std::string name_or_empty(const Graph& graph, ValueId id) {
  return id == kNoValue ? std::string() : graph.value(id).name;
}

std::vector<std::string> names(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<std::string> result;
  result.reserve(ids.size());
  for (const ValueId id : ids) result.push_back(name_or_empty(graph, id));
  return result;
}

std::string value_difference(const Graph& a, const Graph& b, ValueId a_id, ValueId b_id) {
  if (a_id == kNoValue || b_id == kNoValue) return {};
  const Value& left = a.value(a_id);
  const Value& right = b.value(b_id);
  if (left.dtype != right.dtype || left.dims != right.dims) {
    return fmt::format("value '{}' is {} {} and {} {}", left.name, name_of(left.dtype),
                       to_string(left.dims), name_of(right.dtype), to_string(right.dims));
  }
  if (left.constant != right.constant) return fmt::format("constant '{}' differs", left.name);
  return {};
}

std::string values_difference(const Graph& a, const Graph& b, const std::vector<ValueId>& a_ids,
                              const std::vector<ValueId>& b_ids) {
  for (size_t i = 0; i < a_ids.size(); ++i) {
    if (std::string found = value_difference(a, b, a_ids[i], b_ids[i]); !found.empty())
      return found;
  }
  return {};
}

std::string node_difference(const Graph& a, const Graph& b, const Node& left, const Node& right) {
  if (left.name != right.name || left.op != right.op || left.domain != right.domain) {
    return fmt::format("node '{}' ({}) against '{}' ({})", left.name, left.op, right.name,
                       right.op);
  }
  if (names(a, left.inputs) != names(b, right.inputs) ||
      names(a, left.outputs) != names(b, right.outputs)) {
    return fmt::format("node '{}' reads or writes other values", left.name);
  }
  if (left.attributes != right.attributes) {
    return fmt::format("node '{}' has other attributes", left.name);
  }
  if (std::string found = values_difference(a, b, left.inputs, right.inputs); !found.empty()) {
    return found;
  }
  return values_difference(a, b, left.outputs, right.outputs);
}

}  // namespace

std::string first_difference(const Graph& a, const Graph& b) {
  if (names(a, a.inputs()) != names(b, b.inputs())) return "the inputs differ";
  if (names(a, a.outputs()) != names(b, b.outputs())) return "the outputs differ";
  if (std::string found = values_difference(a, b, a.inputs(), b.inputs()); !found.empty()) {
    return found;
  }
  if (a.order().size() != b.order().size()) {
    return fmt::format("{} nodes against {}", a.order().size(), b.order().size());
  }
  for (size_t i = 0; i < a.order().size(); ++i) {
    const Node& left = a.node(a.order()[i]);
    const Node& right = b.node(b.order()[i]);
    if (std::string found = node_difference(a, b, left, right); !found.empty()) return found;
  }
  return {};
}

}  // namespace octet
