#include "graph/patch.h"

#include <algorithm>
#include <map>
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

template <typename Taken>
std::string unique_name(const std::string& hint, const Taken& taken) {
  std::string name = hint;
  for (int suffix = 1; taken.contains(name); ++suffix) name = fmt::format("{}_{}", hint, suffix);
  return name;
}

}  // namespace

ValueId Patch::add_constant(const std::string& hint, Tensor tensor) {
  return graph_.add_constant(unique_name(hint, graph_.value_names_), std::move(tensor));
}

ValueId Patch::add_value(const std::string& hint, DType dtype, Dims dims) {
  return graph_.add_value(unique_name(hint, graph_.value_names_), dtype, std::move(dims));
}

void Patch::add_node(Node node) {
  nodes_.push_back(std::move(node));
}

void Patch::replace(ValueId old_value, ValueId new_value, bool keep_name) {
  replacements_.push_back({old_value, new_value, keep_name});
}

void Patch::replace_input(NodeId node, size_t input, ValueId new_value) {
  input_changes_.push_back({node, input, new_value});
}

void Patch::remove_node(NodeId node) {
  removed_.push_back(node);
}

void Patch::apply() {
  for (const NodeId id : removed_) {
    drop(graph_, id);
    std::erase(graph_.order_, id);
  }
  for (const Replacement& change : replacements_) redirect(change);
  for (const InputChange& change : input_changes_) {
    graph_.nodes_.at(index(change.node)).inputs.at(change.index) = change.to;
  }
  for (Node& node : nodes_) {
    node.name = unique_name(node.name, graph_.node_names_);
    graph_.add_node(std::move(node));
  }
  sort();
  remove_dead(graph_);
  graph_.verify();
}

/// Takes a node out of the graph; its place in the order is the caller's business.
void Patch::drop(Graph& graph, NodeId id) {
  const Node& node = graph.nodes_.at(index(id));
  for (const ValueId output : node.outputs) {
    if (output != kNoValue) graph.producers_[index(output)].reset();
  }
  graph.node_live_[index(id)] = false;
  graph.node_names_.erase(node.name);
}

void Patch::redirect(const Replacement& change) {
  for (const NodeId id : graph_.order_) {
    std::ranges::replace(graph_.nodes_[index(id)].inputs, change.from, change.to);
  }
  std::ranges::replace(graph_.outputs_, change.from, change.to);
  const bool computed = !graph_.is_constant(change.to) &&
                        std::ranges::count(graph_.inputs_, change.to) == 0 &&
                        std::ranges::count(graph_.inputs_, change.from) == 0;
  if (change.keep_name && computed) {
    std::string& from = graph_.values_[index(change.from)].name;
    std::string& to = graph_.values_[index(change.to)].name;
    std::swap(from, to);
    graph_.value_names_[from] = change.from;
    graph_.value_names_[to] = change.to;
  }
}

/// Stable topological order: among nodes that are ready, the one that stood first goes first.
void Patch::sort() {
  std::vector<size_t> missing(graph_.nodes_.size(), 0);
  std::map<NodeId, std::vector<NodeId>> unblocks;
  std::map<NodeId, size_t> position;
  std::set<std::pair<size_t, NodeId>> ready;
  for (size_t i = 0; i < graph_.order_.size(); ++i) position[graph_.order_[i]] = i;
  for (const NodeId id : graph_.order_) {
    std::set<NodeId> needs;
    for (const ValueId input : graph_.node(id).inputs) {
      if (const auto producer = graph_.producer(input)) needs.insert(*producer);
    }
    missing[index(id)] = needs.size();
    for (const NodeId need : needs) unblocks[need].push_back(id);
    if (needs.empty()) ready.emplace(position[id], id);
  }
  std::vector<NodeId> sorted;
  while (!ready.empty()) {
    const NodeId id = ready.begin()->second;
    ready.erase(ready.begin());
    sorted.push_back(id);
    for (const NodeId next : unblocks[id]) {
      if (--missing[index(next)] == 0) ready.emplace(position[next], next);
    }
  }
  check(sorted.size() == graph_.order_.size(), "graph '{}' has a cycle", graph_.name());
  graph_.order_ = std::move(sorted);
}

/// Drops nodes that no output needs, from the end; returns which values are still needed.
std::vector<bool> Patch::sweep_nodes(Graph& graph) {
  std::vector<bool> needed(graph.values_.size(), false);
  const auto need = [&](const std::vector<ValueId>& ids) {
    for (const ValueId id : ids) {
      if (id != kNoValue) needed[index(id)] = true;
    }
  };
  need(graph.outputs_);
  need(graph.inputs_);
  std::vector<NodeId> kept;
  for (auto id = graph.order_.rbegin(); id != graph.order_.rend(); ++id) {
    const Node& node = graph.node(*id);
    const bool used = std::ranges::any_of(
        node.outputs, [&](ValueId output) { return output != kNoValue && needed[index(output)]; });
    if (!used) {
      drop(graph, *id);
      continue;
    }
    kept.push_back(*id);
    need(node.inputs);
    need(node.outputs);
  }
  graph.order_.assign(kept.rbegin(), kept.rend());
  return needed;
}

size_t Patch::sweep(Graph& graph) {
  const size_t before = graph.order_.size();
  const std::vector<bool> needed = sweep_nodes(graph);
  for (size_t i = 0; i < graph.values_.size(); ++i) {
    if (!graph.value_live_[i] || needed[i]) continue;
    graph.value_live_[i] = false;
    graph.value_names_.erase(graph.values_[i].name);
    graph.values_[i].constant.reset();
  }
  return before - graph.order_.size();
}

size_t remove_dead(Graph& graph) {
  return Patch::sweep(graph);
}

Graph extract(const Graph& graph, const std::vector<ValueId>& inputs,
              const std::vector<ValueId>& outputs) {
  std::set<NodeId> needed;
  std::vector<ValueId> open(outputs);
  while (!open.empty()) {
    const ValueId id = open.back();
    open.pop_back();
    if (id == kNoValue || graph.is_constant(id) || std::ranges::count(inputs, id) > 0) continue;
    const auto producer = graph.producer(id);
    if (!producer) {
      fail_input("'{}' cannot be cut out: it depends on input '{}'",
                 graph.value(outputs.front()).name, graph.value(id).name);
    }
    if (!needed.insert(*producer).second) continue;
    const auto& reads = graph.node(*producer).inputs;
    open.insert(open.end(), reads.begin(), reads.end());
  }
  Graph part(graph.name());
  std::map<ValueId, ValueId> moved;
  for (const ValueId id : inputs) {
    const Value& value = graph.value(id);
    moved[id] = part.add_input(value.name, value.dtype, value.dims);
  }
  const auto move = [&](ValueId id) {
    if (id == kNoValue) return kNoValue;
    const auto [place, fresh] = moved.try_emplace(id);
    if (fresh) {
      const Value& value = graph.value(id);
      place->second = value.constant ? part.add_constant(value.name, *value.constant)
                                     : part.add_value(value.name, value.dtype, value.dims);
    }
    return place->second;
  };
  for (const NodeId id : graph.order()) {
    if (!needed.contains(id)) continue;
    Node node = graph.node(id);
    std::ranges::transform(node.inputs, node.inputs.begin(), move);
    std::ranges::transform(node.outputs, node.outputs.begin(), move);
    part.add_node(std::move(node));
  }
  std::vector<ValueId> ends;
  ends.reserve(outputs.size());
  for (const ValueId id : outputs) ends.push_back(move(id));
  part.set_outputs(std::move(ends));
  return part;
}

}  // namespace octet
