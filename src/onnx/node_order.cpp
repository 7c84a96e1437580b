#include "onnx/node_order.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.h"

namespace octet::onnx {
namespace {

using Producers = std::unordered_map<std::string_view, size_t>;

Producers find_producers(const std::vector<NodeView>& nodes) {
  Producers producers;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string_view output : nodes[i].outputs) {
      if (output.empty()) continue;
      const auto [first, fresh] = producers.emplace(output, i);
      if (!fresh) {
        fail_input("value '{}' is written by node '{}' and by node '{}'", output,
                   label_of(nodes[first->second]), label_of(nodes[i]));
      }
    }
  }
  return producers;
}

/// Which nodes wait for which, and for how many inputs each one waits.
struct Dependencies {
  std::vector<std::vector<size_t>> readers;
  std::vector<size_t> missing;
};

Dependencies find_dependencies(const std::vector<NodeView>& nodes, const Producers& producers) {
  Dependencies result{std::vector<std::vector<size_t>>(nodes.size()),
                      std::vector<size_t>(nodes.size(), 0)};
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string_view input : nodes[i].inputs) {
      const auto producer = producers.find(input);
      if (producer == producers.end()) continue;
      result.readers[producer->second].push_back(i);
      ++result.missing[i];
    }
  }
  return result;
}

/// Walks from a node that waits to one it waits for, until a node comes up again.
[[noreturn]] void refuse_cycle(const std::vector<NodeView>& nodes, const Producers& producers,
                               const std::vector<size_t>& missing) {
  const auto waits = [&](std::string_view input) {
    const auto producer = producers.find(input);
    return producer != producers.end() && missing[producer->second] > 0;
  };
  std::vector<size_t> path;
  std::vector<bool> seen(nodes.size(), false);
  size_t current = std::ranges::find_if(missing, [](size_t n) { return n > 0; }) - missing.begin();
  while (!seen[current]) {
    seen[current] = true;
    path.push_back(current);
    current = producers.at(*std::ranges::find_if(nodes[current].inputs, waits));
  }
  constexpr size_t kShown = 8;
  std::string names;
  const auto start = std::ranges::find(path, current);
  for (auto node = start; node != path.end() && node < start + kShown; ++node) {
    names += fmt::format("'{}' reads from ", label_of(nodes[*node]));
  }
  if (path.end() - start > static_cast<ptrdiff_t>(kShown)) names += "... reads from ";
  fail_input("the nodes form a cycle: {}'{}'", names, label_of(nodes[current]));
}

}  // namespace

std::string_view label_of(const NodeView& node) {
  if (!node.name.empty()) return node.name;
  const auto output = std::ranges::find_if_not(node.outputs, &std::string_view::empty);
  return output == node.outputs.end() ? std::string_view() : *output;
}

std::vector<size_t> computable_order(const std::vector<NodeView>& nodes) {
  const Producers producers = find_producers(nodes);
  Dependencies dependencies = find_dependencies(nodes, producers);
  // The ready node that stands first in the file goes first: a sorted file keeps its order.
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (dependencies.missing[i] == 0) ready.push(i);
  }
  std::vector<size_t> order;
  order.reserve(nodes.size());
  while (!ready.empty()) {
    const size_t current = ready.top();
    ready.pop();
    order.push_back(current);
    for (const size_t reader : dependencies.readers[current]) {
      if (--dependencies.missing[reader] == 0) ready.push(reader);
    }
  }
  if (order.size() < nodes.size()) refuse_cycle(nodes, producers, dependencies.missing);
  return order;
}

}  // namespace octet::onnx
