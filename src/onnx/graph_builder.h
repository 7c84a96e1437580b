#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"
#include "onnx/graph_view.h"
#include "onnx/model_view.h"
#include "onnx/tensor_reader.h"

namespace octet::onnx {

/// Makes a Graph of a GraphView: names become ids, Constant nodes and initializers constants.
class GraphBuilder {
 public:
  /// `model` and the bytes behind it must outlive the builder.
  GraphBuilder(const ModelView& model, TensorReader tensors)
      : model_(model), tensors_(std::move(tensors)) {}

  /// Throws `Error(bad_input)` naming what is wrong where. Values carry the types the file
  /// declares; nothing is inferred.
  Graph build(const GraphView& view);

  [[nodiscard]] const std::vector<std::string>& notices() const { return notices_; }
  /// Whether the file declares an element type of its own for this value.
  [[nodiscard]] bool is_declared(std::string_view name) const { return infos_.contains(name); }

 private:
  void collect_value_infos(const GraphView& view);
  void add_initializer(std::string_view bytes);
  void add_input(std::string_view bytes);
  std::vector<NodeView> view_nodes(const GraphView& view);
  void normalise_domain(NodeView& node);
  void add_nodes(const std::vector<NodeView>& nodes);
  void add_node(const NodeView& view);
  void add_constant_node(const NodeView& view);
  void add_outputs(const GraphView& view);

  ValueId add_value(std::string_view name);
  void declare(std::string_view name, ValueId id);
  void check_fresh(std::string_view name) const;
  ValueId value_of(std::string_view name) const;
  std::string unique_node_name(std::string_view wanted);
  void move_axes_to_input(Node& node);
  void report();

  const ModelView& model_;
  TensorReader tensors_;
  Graph graph_;
  std::unordered_map<std::string_view, ValueId> values_;
  std::unordered_map<std::string_view, std::string_view> infos_;
  std::unordered_map<std::string, size_t> name_counts_;
  std::vector<std::string> notices_;
  size_t constant_inputs_ = 0;
  size_t trt_nodes_ = 0;
  size_t renamed_nodes_ = 0;
  bool reordered_ = false;
};

}  // namespace octet::onnx
