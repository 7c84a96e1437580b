#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "tests/suites/array.h"

namespace octet::suites {

/// A graph of one input, built node after node; `last` is the value that the next one may read.
struct Chain {
  Graph graph{"chain"};
  ValueId last{};

  Chain(DType dtype, const Dims& dims) : last(graph.add_input("input", dtype, dims)) {}

  ValueId add(const std::string& op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    const std::string name = fmt::format("{}_{}", op, graph.value_count());
    last = graph.add_value(name);
    graph.add_node({name, "", op, std::move(inputs), {last}, std::move(attributes)});
    return last;
  }
  ValueId constant(const Array& array) {
    return graph.add_constant(fmt::format("constant_{}", graph.value_count()), to_tensor(array));
  }
  ValueId integers(const std::vector<int64_t>& values, const Shape& shape) {
    return constant(array_of(DType::i64, shape, {values.begin(), values.end()}));
  }
  ValueId integers(const std::vector<int64_t>& values) {
    return integers(values, {static_cast<int64_t>(values.size())});
  }
};

}  // namespace octet::suites
