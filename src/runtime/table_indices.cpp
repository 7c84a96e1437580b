#include "runtime/table_indices.h"

#include <algorithm>
#include <span>

#include "base/error.h"
#include "ops/ops.h"

namespace octet::runtime {
namespace {

/// Does the node's output hold the elements of its first input, one by one?
bool passes_elements(const Node& node) {
  const OpSchema* schema = find_op(node.domain, node.op);
  return (schema != nullptr && schema->is_view) || node.is("Cast");
}

/// The input behind a value, through views and casts; the number of inputs where there is none.
size_t input_behind(const Graph& graph, ValueId id) {
  while (const auto producer = graph.producer(id)) {
    const Node& node = graph.node(*producer);
    if (!passes_elements(node)) return graph.inputs().size();
    id = node.inputs.front();
  }
  return static_cast<size_t>(std::ranges::find(graph.inputs(), id) - graph.inputs().begin());
}

bool holds_integers(const Graph& graph, size_t input) {
  if (input == graph.inputs().size()) return false;
  const DType dtype = graph.value(graph.inputs()[input]).dtype;
  return dtype == DType::i64 || dtype == DType::i32;
}

template <typename Index>
void check_all(const TableIndices& indices, std::string_view name, const Operand& given) {
  const std::span all(given.as<Index>(), static_cast<size_t>(given.count()));
  const auto bad = std::ranges::find_if(
      all, [&](Index index) { return index < indices.least || index >= indices.rows; });
  if (bad == all.end()) return;
  const int64_t place = bad - all.begin();
  fail(ErrorCode::usage,
       "input '{}': id {} at position {} of sample {} is outside the table of {} rows", name, *bad,
       place % given.last(), place / given.last(), indices.rows);
}

}  // namespace

std::vector<TableIndices> table_indices(const Graph& graph) {
  std::vector<TableIndices> all;
  const auto add = [&](ValueId ids, const Dim& rows, bool from_end) {
    const size_t input = input_behind(graph, ids);
    if (!holds_integers(graph, input) || rows.is_symbolic()) return;
    all.push_back({input, from_end ? -rows.size() : 0, rows.size()});
  };
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (node.is("Embedding", kOctetDomain)) {
      add(node.inputs[0], graph.value(node.inputs[1]).dims[0], false);
    } else if (node.is("Gather")) {
      const Dims& table = graph.value(node.inputs[0]).dims;
      const int64_t axis = node.integer("axis", 0);
      add(node.inputs[1], table.at(static_cast<size_t>(axis < 0 ? axis + std::ssize(table) : axis)),
          true);
    }
  }
  return all;
}

void check_table_indices(const TableIndices& indices, std::string_view name, const Operand& given) {
  if (given.dtype == DType::i64) check_all<int64_t>(indices, name, given);
  if (given.dtype == DType::i32) check_all<int32_t>(indices, name, given);
}

}  // namespace octet::runtime
