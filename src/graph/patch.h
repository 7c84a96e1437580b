#pragma once

#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace octet {

/// A rewrite of a Graph, collected first and applied at once: the only way to edit one.
/// New values and nodes may be added, old values replaced by others of the same type, old nodes
/// removed. `apply` puts new nodes where the order allows, drops what nothing reads any more and
/// verifies the result.
class Patch {
 public:
  explicit Patch(Graph& graph) : graph_(graph) {}

  ValueId add_constant(const std::string& hint, Tensor tensor);
  /// `hint` is made unique by a suffix when it is taken.
  ValueId add_value(const std::string& hint, DType dtype, Dims dims);
  void add_node(Node node);

  /// Every old reader of `old_value` (and the outputs list) reads `new_value` instead; the patch's
  /// own new nodes keep the inputs they were given. Where both are produced by nodes and
  /// `keep_name` is true, the new value takes over the old one's name.
  void replace(ValueId old_value, ValueId new_value, bool keep_name = true);
  /// Only this node's input changes.
  void replace_input(NodeId node, size_t index, ValueId new_value);
  void remove_node(NodeId node);

  void apply();

 private:
  friend size_t remove_dead(Graph& graph);
  struct Replacement {
    ValueId from;
    ValueId to;
    bool keep_name;
  };
  struct InputChange {
    NodeId node;
    size_t index;
    ValueId to;
  };

  static void drop(Graph& graph, NodeId node);
  static std::vector<bool> sweep_nodes(Graph& graph);
  void redirect(const Replacement& change);
  void sort();
  static size_t sweep(Graph& graph);

  Graph& graph_;
  std::vector<Node> nodes_;
  std::vector<Replacement> replacements_;
  std::vector<InputChange> input_changes_;
  std::vector<NodeId> removed_;
};

/// Nodes whose outputs nothing reads, and values nothing touches, go. Returns how many nodes went.
size_t remove_dead(Graph& graph);

/// The part of a graph that computes `outputs` from `inputs` (values that become graph inputs)
/// and constants. Throws `Error(bad_input)` when an output depends on a graph input not listed.
Graph extract(const Graph& graph, const std::vector<ValueId>& inputs,
              const std::vector<ValueId>& outputs);

}  // namespace octet
