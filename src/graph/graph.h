#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace octet {

/// Index of a value or node of one Graph. `kNoValue` stands for an optional input left out.
enum class ValueId : uint32_t {};
enum class NodeId : uint32_t {};
inline constexpr ValueId kNoValue{0xFFFFFFFFU};

/// One extent: a number, or a named symbol ("batch") that is bound when the graph runs.
class Dim {
 public:
  // NOLINTBEGIN(google-explicit-constructor): extents are written as {"batch", 77, 512}
  Dim(int64_t size) : size_(size) {}
  Dim(std::string symbol) : size_(-1), symbol_(std::move(symbol)) {}
  Dim(const char* symbol) : Dim(std::string(symbol)) {}
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] bool is_symbolic() const { return size_ < 0; }
  [[nodiscard]] int64_t size() const { return size_; }
  [[nodiscard]] const std::string& symbol() const { return symbol_; }
  friend bool operator==(const Dim&, const Dim&) = default;

 private:
  int64_t size_;
  std::string symbol_;
};

using Dims = std::vector<Dim>;
Dims to_dims(const Shape& shape);
/// The extents as numbers; nullopt when any is symbolic.
std::optional<Shape> to_shape(const Dims& dims);
std::string to_string(const Dims& dims);

using Attribute =
    std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>, Tensor>;
using Attributes = std::map<std::string, Attribute, std::less<>>;

/// The default ONNX domain is ""; our fused operators live in kOctetDomain.
inline constexpr std::string_view kOctetDomain = "octet";

/// An operator applied to values: ONNX's vocabulary (domain, op, attributes).
struct Node {
  std::string name;  ///< unique, stable: the module path it came from
  std::string domain;
  std::string op;
  std::vector<ValueId> inputs;  ///< kNoValue where an optional input is left out
  std::vector<ValueId> outputs;
  Attributes attributes;

  [[nodiscard]] bool is(std::string_view wanted, std::string_view in_domain = "") const {
    return op == wanted && domain == in_domain;
  }
  /// An attribute, or `fallback`; a wrong type throws `Error(bad_input)` naming node and attribute.
  [[nodiscard]] int64_t integer(std::string_view key, int64_t fallback) const;
  [[nodiscard]] float number(std::string_view key, float fallback) const;
  [[nodiscard]] std::string text(std::string_view key, std::string_view fallback) const;
  [[nodiscard]] std::vector<int64_t> integers(std::string_view key) const;
  /// A list of floats, or one float as a list of one; empty when there is none.
  [[nodiscard]] std::vector<float> numbers(std::string_view key) const;
};

/// What flows along an edge: a graph input, a constant, or the output of one node.
struct Value {
  std::string name;  ///< unique
  DType dtype = DType::f32;
  Dims dims;
  std::optional<Tensor> constant;
};

/// What to compute: nodes over values, kept in an order in which it can be computed. Knows no
/// device, file or kernel. Values and nodes never change their ids; removed ones leave a gap.
/// Building appends with `add_*`; rewriting goes through `Patch`.
class Graph {
 public:
  explicit Graph(std::string name = "graph") : name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }

  // Building. Names must be unique and not empty (logic_error otherwise).
  ValueId add_input(std::string name, DType dtype, Dims dims);
  ValueId add_constant(std::string name, Tensor tensor);
  /// A value that a node will produce; dtype and dims may be filled in later by type inference.
  ValueId add_value(std::string name, DType dtype = DType::f32, Dims dims = {});
  /// Appends a node. Its outputs must be values without a producer.
  NodeId add_node(Node node);
  void set_outputs(std::vector<ValueId> outputs) { outputs_ = std::move(outputs); }

  [[nodiscard]] const std::vector<ValueId>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<ValueId>& outputs() const { return outputs_; }
  /// Live nodes in an order in which they can be computed.
  [[nodiscard]] const std::vector<NodeId>& order() const { return order_; }

  [[nodiscard]] const Node& node(NodeId id) const;
  /// False once a patch has removed it.
  [[nodiscard]] bool is_live(NodeId id) const;
  [[nodiscard]] const Value& value(ValueId id) const;
  [[nodiscard]] size_t value_count() const { return values_.size(); }
  /// Live values in id order.
  [[nodiscard]] std::vector<ValueId> values() const;
  [[nodiscard]] std::optional<ValueId> find_value(std::string_view name) const;
  [[nodiscard]] std::optional<NodeId> find_node(std::string_view name) const;

  /// The node that writes a value; nullopt for inputs and constants.
  [[nodiscard]] std::optional<NodeId> producer(ValueId id) const;
  /// Every node that reads a value, once per node, in order.
  [[nodiscard]] std::vector<NodeId> consumers(ValueId id) const;
  /// The only reader of a value that is not also a graph output; nullopt otherwise.
  [[nodiscard]] std::optional<NodeId> sole_consumer(ValueId id) const;
  [[nodiscard]] bool is_output(ValueId id) const;
  [[nodiscard]] bool is_constant(ValueId id) const;

  // Type inference writes here.
  void set_type(ValueId id, DType dtype, Dims dims);

  /// Throws logic_error when the structure is broken: a value read before it is written, a dangling
  /// id, a name twice, an output nobody writes.
  void verify() const;

 private:
  friend class Patch;

  ValueId add(Value value);

  std::string name_;
  // Deques: references to values and nodes stay valid while the graph grows.
  std::deque<Value> values_;
  std::vector<bool> value_live_;
  std::vector<std::optional<NodeId>> producers_;
  std::deque<Node> nodes_;
  std::vector<bool> node_live_;
  std::vector<NodeId> order_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  std::map<std::string, ValueId, std::less<>> value_names_;
  std::map<std::string, NodeId, std::less<>> node_names_;
};

/// Same inputs, outputs, nodes in order, names, types and constant bytes (ids may differ).
/// Returns the first difference in words, or an empty string.
std::string first_difference(const Graph& a, const Graph& b);

}  // namespace octet
