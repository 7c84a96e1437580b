#include "tests/suites/problem.h"

#include "ops/ops.h"
#include "runtime/plan.h"

namespace octet::suites {
namespace {

ValueId add_feed(Graph& graph, const Feed& feed, size_t index) {
  const std::string name = fmt::format("input_{}", index);
  if (feed.kind == Feed::Kind::absent) return kNoValue;
  if (feed.kind == Feed::Kind::constant) return graph.add_constant(name, to_tensor(feed.array));
  const Dims dims = feed.dims.empty() ? to_dims(feed.array.shape) : feed.dims;
  return graph.add_input(name, feed.array.dtype, dims);
}

Graph graph_of(const Problem& problem) {
  Graph graph("problem");
  Node node{"node", problem.domain, problem.op, {}, {}, problem.attributes};
  for (size_t i = 0; i < problem.feeds.size(); ++i) {
    node.inputs.push_back(add_feed(graph, problem.feeds[i], i));
  }
  const ValueId output = graph.add_value("output");
  node.outputs = {output};
  graph.add_node(std::move(node));
  graph.set_outputs({output});
  return graph;
}

runtime::SymbolRanges ranges_of(const Problem& problem) {
  runtime::SymbolRanges ranges;
  for (const Feed& feed : problem.feeds) {
    for (size_t axis = 0; axis < feed.dims.size(); ++axis) {
      const int64_t extent = feed.array.extent(axis);
      if (feed.dims[axis].is_symbolic()) ranges[feed.dims[axis].symbol()] = {1, extent, extent};
    }
  }
  return ranges;
}

runtime::SymbolRanges ranges_of(const Graph& graph, int64_t largest) {
  runtime::SymbolRanges ranges;
  for (const ValueId input : graph.inputs()) {
    for (const Dim& dim : graph.value(input).dims) {
      if (dim.is_symbolic()) ranges[dim.symbol()] = {1, largest, largest};
    }
  }
  return ranges;
}

std::unique_ptr<runtime::Session> session_of(const std::string& backend, Graph graph,
                                             runtime::SymbolRanges ranges) {
  const runtime::Backend& device = backend_named(backend);
  runtime::CompileOptions options;
  options.symbols = std::move(ranges);
  return std::make_unique<runtime::Session>(
      runtime::Engine::load(runtime::compile(std::move(graph), device, options), device));
}

}  // namespace

void BackendTest::SetUp() {
  const std::string reason = why_unavailable(GetParam());
  if (!reason.empty()) GTEST_SKIP() << reason;
}

Feed Feed::constant(Array array) {
  Feed feed(std::move(array));
  feed.kind = Kind::constant;
  return feed;
}

Feed Feed::absent() {
  Feed feed(Array{});
  feed.kind = Kind::absent;
  return feed;
}

Prepared::Prepared(const std::string& backend, const Problem& problem)
    : session_(session_of(backend, graph_of(problem), ranges_of(problem))) {}

Prepared::Prepared(const std::string& backend, Graph graph, int64_t largest) {
  runtime::SymbolRanges ranges = ranges_of(graph, largest);
  session_ = session_of(backend, std::move(graph), std::move(ranges));
}

std::vector<Array> Prepared::run(const std::vector<Array>& inputs) {
  std::vector<Tensor> tensors;
  tensors.reserve(inputs.size());
  for (const Array& input : inputs) tensors.push_back(to_tensor(input));
  std::vector<Array> results;
  for (const Tensor& output : session_->run_copied(tensors)) results.push_back(to_array(output));
  return results;
}

Array solve(const std::string& backend, const Problem& problem) {
  std::vector<Array> inputs;
  for (const Feed& feed : problem.feeds) {
    if (feed.kind == Feed::Kind::input) inputs.push_back(feed.array);
  }
  return Prepared(backend, problem).run(inputs).front();
}

}  // namespace octet::suites
