#include "onnx/graph_builder.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/error.h"
#include "onnx/attribute_reader.h"
#include "onnx/constant_node.h"
#include "onnx/element_type.h"
#include "onnx/fields.h"
#include "onnx/node_order.h"

namespace octet::onnx {
namespace {

struct DeclaredType {
  DType dtype = DType::f32;
  Dims dims;
};

/// Extents that a file leaves open get a symbol of their own. The others must not overflow.
Dims named_dims(const ValueInfoView& view) {
  Dims dims;
  Shape known;
  for (size_t i = 0; i < view.dims->size(); ++i) {
    const auto& dim = (*view.dims)[i];
    dims.push_back(dim ? *dim : Dim(fmt::format("{}_dim_{}", view.name, i)));
    if (!dims.back().is_symbolic()) known.push_back(dims.back().size());
  }
  with_context(fmt::format("value '{}'", view.name), [&] { return element_count(known); });
  return dims;
}

/// The type a file declares; nullopt when it is incomplete or no tensor of a type we know.
std::optional<DeclaredType> declared_type(const ValueInfoView& view) {
  const std::optional<DType> dtype = dtype_of_code(view.element_type.value_or(0));
  if (!dtype || !view.dims) return std::nullopt;
  return DeclaredType{*dtype, named_dims(view)};
}

bool is_quantization(std::string_view op) {
  return op == "QuantizeLinear" || op == "DequantizeLinear";
}

/// Until opset 17 these took their axes as an attribute, since then as an input.
bool has_axes_attribute_before_18(std::string_view op) {
  static constexpr std::array<std::string_view, 9> kOps{
      "ReduceMean", "ReduceMax",    "ReduceMin",       "ReduceProd",     "ReduceL1",
      "ReduceL2",   "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"};
  return std::ranges::count(kOps, op) > 0;
}

}  // namespace

Graph GraphBuilder::build(const GraphView& view) {
  graph_.set_name(view.name.empty() ? "graph" : std::string(view.name));
  collect_value_infos(view);
  for (const std::string_view bytes : view.initializers) add_initializer(bytes);
  for (const std::string_view bytes : view.inputs) add_input(bytes);
  add_nodes(view_nodes(view));
  add_outputs(view);
  report();
  return std::move(graph_);
}

void GraphBuilder::collect_value_infos(const GraphView& view) {
  for (const std::string_view bytes : view.value_infos) infos_[value_info_name(bytes)] = bytes;
  for (const std::string_view bytes : view.outputs) infos_[value_info_name(bytes)] = bytes;
}

void GraphBuilder::add_initializer(std::string_view bytes) {
  const std::string_view name = tensor_name(bytes);
  if (name.empty()) fail_input("an initializer has no name");
  check_fresh(name);
  Tensor tensor =
      with_context(fmt::format("initializer '{}'", name), [&] { return tensors_.read(bytes); });
  declare(name, graph_.add_constant(std::string(name), std::move(tensor)));
}

void GraphBuilder::add_input(std::string_view bytes) {
  const ValueInfoView view = view_value_info(bytes);
  if (view.name.empty()) fail_input("a graph input has no name");
  if (const auto known = values_.find(view.name);
      known != values_.end() && graph_.is_constant(known->second)) {
    ++constant_inputs_;
    return;
  }
  check_fresh(view.name);
  const std::optional<DeclaredType> type = declared_type(view);
  if (!type) {
    fail_input("input '{}' is no tensor of known shape and element type ({})", view.name,
               element_name(view.element_type.value_or(0)));
  }
  declare(view.name, graph_.add_input(std::string(view.name), type->dtype, type->dims));
}

std::vector<NodeView> GraphBuilder::view_nodes(const GraphView& view) {
  std::vector<NodeView> nodes;
  nodes.reserve(view.nodes.size());
  for (size_t i = 0; i < view.nodes.size(); ++i) {
    NodeView node =
        with_context(fmt::format("node {}", i), [&] { return view_node(view.nodes[i]); });
    if (node.op.empty()) fail_input("node {} ('{}') has no operator", i, label_of(node));
    if (std::ranges::all_of(node.outputs, &std::string_view::empty)) {
      fail_input("node {} ('{}', {}) has no output", i, node.name, node.op);
    }
    normalise_domain(node);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

void GraphBuilder::normalise_domain(NodeView& node) {
  if (node.domain == "trt" && is_quantization(node.op)) {
    node.domain = {};
    ++trt_nodes_;
  }
  if (model_.functions.contains({node.domain, node.op})) {
    fail_input(
        "node '{}' calls the model's own function '{}', which is not supported; inline the "
        "functions first",
        label_of(node), node.op);
  }
  if (!node.domain.empty()) {
    fail_input("node '{}' ({}) belongs to domain '{}', which is not supported", label_of(node),
               node.op, node.domain);
  }
}

void GraphBuilder::add_nodes(const std::vector<NodeView>& nodes) {
  const std::vector<size_t> order = computable_order(nodes);
  reordered_ = !std::ranges::is_sorted(order);
  for (const size_t index : order) {
    const NodeView& view = nodes[index];
    with_context(fmt::format("node '{}' ({})", label_of(view), view.op),
                 [&] { view.op == "Constant" ? add_constant_node(view) : add_node(view); });
  }
}

void GraphBuilder::add_node(const NodeView& view) {
  Node node;
  node.op = std::string(view.op);
  node.name = unique_node_name(label_of(view));
  for (const std::string_view name : view.inputs) node.inputs.push_back(value_of(name));
  for (const std::string_view bytes : view.attributes) {
    NamedAttribute attribute = read_attribute(bytes, tensors_);
    const auto [position, fresh] =
        node.attributes.emplace(std::move(attribute.name), std::move(attribute.value));
    if (!fresh) fail_input("attribute '{}' is given twice", position->first);
  }
  move_axes_to_input(node);
  for (const std::string_view name : view.outputs) node.outputs.push_back(add_value(name));
  graph_.add_node(std::move(node));
}

void GraphBuilder::add_constant_node(const NodeView& view) {
  if (view.outputs.size() != 1 || !view.inputs.empty() || view.attributes.size() != 1) {
    fail_input("a Constant has no input, one output and one attribute");
  }
  const std::string_view name = view.outputs.front();
  check_fresh(name);
  Tensor value = constant_value(read_attribute(view.attributes.front(), tensors_));
  declare(name, graph_.add_constant(std::string(name), std::move(value)));
}

void GraphBuilder::add_outputs(const GraphView& view) {
  std::vector<ValueId> outputs;
  std::set<std::string_view> seen;
  for (const std::string_view bytes : view.outputs) {
    const std::string_view name = value_info_name(bytes);
    const auto value = values_.find(name);
    if (value == values_.end()) fail_input("nothing writes the graph's output '{}'", name);
    if (!seen.insert(name).second) fail_input("the graph's output '{}' is listed twice", name);
    outputs.push_back(value->second);
  }
  if (outputs.empty()) fail_input("the graph has no outputs");
  graph_.set_outputs(std::move(outputs));
}

ValueId GraphBuilder::add_value(std::string_view name) {
  if (name.empty()) return kNoValue;
  check_fresh(name);
  DeclaredType type;
  if (const auto info = infos_.find(name); info != infos_.end()) {
    type = declared_type(view_value_info(info->second)).value_or(DeclaredType{});
  }
  const ValueId id = graph_.add_value(std::string(name), type.dtype, std::move(type.dims));
  declare(name, id);
  return id;
}

void GraphBuilder::declare(std::string_view name, ValueId id) {
  values_.emplace(name, id);
}

void GraphBuilder::check_fresh(std::string_view name) const {
  if (values_.contains(name)) {
    fail_input(
        "the name '{}' stands for two values; inputs, initializers and node outputs must "
        "differ",
        name);
  }
}

ValueId GraphBuilder::value_of(std::string_view name) const {
  if (name.empty()) return kNoValue;
  const auto value = values_.find(name);
  if (value == values_.end()) fail_input("it reads '{}', which nothing writes", name);
  return value->second;
}

std::string GraphBuilder::unique_node_name(std::string_view wanted) {
  std::string name(wanted);
  if (!graph_.find_node(name)) return name;
  ++renamed_nodes_;
  size_t& count = name_counts_[name];
  std::string candidate;
  do {
    candidate = fmt::format("{}_{}", name, ++count + 1);
  } while (graph_.find_node(candidate));
  return candidate;
}

void GraphBuilder::move_axes_to_input(Node& node) {
  if (model_.opsets.at("") >= 18 || !has_axes_attribute_before_18(node.op)) return;
  const auto axes = node.attributes.find("axes");
  if (axes == node.attributes.end()) return;
  const std::vector<int64_t> values = node.integers("axes");
  std::string name = node.name + ".axes";
  while (graph_.find_value(name)) name += "_";
  node.inputs.push_back(graph_.add_constant(
      std::move(name),
      Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, std::span(values))));
  node.attributes.erase(axes);
}

void GraphBuilder::report() {
  if (constant_inputs_ > 0) {
    notices_.push_back(
        fmt::format("{} inputs have an initializer and were taken as constants", constant_inputs_));
  }
  if (trt_nodes_ > 0) {
    notices_.push_back(fmt::format(
        "{} Q/DQ nodes of domain 'trt' were taken as ONNX's own operators", trt_nodes_));
  }
  if (renamed_nodes_ > 0) {
    notices_.push_back(
        fmt::format("{} nodes whose name another one has got a suffix", renamed_nodes_));
  }
  if (reordered_) notices_.emplace_back("the nodes were not in computable order and were sorted");
  if (!model_.functions.empty()) {
    notices_.push_back(
        fmt::format("{} functions that nothing calls were left out", model_.functions.size()));
  }
}

}  // namespace octet::onnx
