#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace octet {

/// Dtype and extents of a value; what inference computes for each output of a node.
struct ValueType {
  DType dtype = DType::f32;
  Dims dims;
  friend bool operator==(const ValueType&, const ValueType&) = default;
};

/// What inference may look at: the node and its inputs. `types[i]` belongs to `node.inputs[i]`
/// (a left-out optional input has an empty type and no constant).
struct InferenceContext {
  const Graph& graph;
  const Node& node;
  std::vector<ValueType> types;

  [[nodiscard]] bool has(size_t index) const;
  /// The constant behind an input; nullptr when it is computed.
  [[nodiscard]] const Tensor* constant(size_t index) const;
  /// Throws `Error(bad_input)` naming the node and the operator.
  [[noreturn]] void refuse(const std::string& reason) const;
};

/// Work of a node for given symbol sizes: the numbers behind reports and kernel floors.
struct Cost {
  double flops = 0;  ///< multiply and add count as two
  double bytes = 0;  ///< inputs, constants and outputs, each touched once
};

/// `max_inputs` of an operator that takes any number of inputs.
inline constexpr int kAnyInputs = 1 << 30;

/// One operator: its name, how many operands it takes, its type and shape rule, its work.
struct OpSchema {
  std::string_view domain;
  std::string_view op;
  int min_inputs;
  int max_inputs;
  int outputs;
  /// Checks operand types strictly (no promotion) and returns the type of every output.
  std::vector<ValueType> (*infer)(const InferenceContext&);
  /// Floating-point operations, all symbols bound; nullptr for pure data movement.
  double (*flops)(const InferenceContext&);
  /// The output holds the same bytes as input 0 (Reshape and the like): no kernel is needed.
  bool is_view = false;
  /// Of a table only the rows it picks are touched: no input costs more bytes than the output.
  bool gathers = false;
};

/// The operator table, every operator the project knows. One file per family fills it (ops/*.cpp);
/// ops/table.cpp lists the families.
std::span<const OpSchema> all_ops();
/// nullptr when the operator is unknown.
const OpSchema* find_op(std::string_view domain, std::string_view op);

/// The context of a node whose inputs have their types (after `infer_types`): what the functions of
/// ops/parameters.h take. Borrows both.
InferenceContext context_of(const Graph& graph, const Node& node);

/// Verifies types and writes dtype and extents of every value, in order. Throws `Error(bad_input)`
/// naming the node for an unknown operator, a wrong operand count, type or shape.
void infer_types(Graph& graph);

/// ONNX's number of a dtype, as the attribute `to` of Cast holds it, and the inverse; the inverse
/// throws `Error(bad_input)` for a number that stands for no DType.
int64_t onnx_code_of(DType dtype);
DType dtype_from_onnx(int64_t code);

/// Replaces symbols by numbers; unknown symbols stay.
using SymbolSizes = std::map<std::string, int64_t, std::less<>>;
Dims bind(const Dims& dims, const SymbolSizes& sizes);

/// Work of one node once every symbol has a size. Throws `Error(usage)` naming a symbol without
/// one.
Cost cost_of(const Graph& graph, NodeId node, const SymbolSizes& sizes);
/// Its bytes alone, also where constants are packed and no longer have the operator's shapes.
double bytes_touched(const Graph& graph, const Node& node, const SymbolSizes& sizes);

}  // namespace octet
