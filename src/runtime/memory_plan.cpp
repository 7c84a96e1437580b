#include "runtime/memory_plan.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace octet::runtime {
namespace {

constexpr uint64_t kAlignment = 256;  // what devices like to transfer at once

struct Lifetime {
  ValueId value{};
  uint64_t size = 0;
  size_t first = 0;  ///< step that writes it
  size_t last = 0;   ///< last step that reads it
  uint64_t offset = 0;
};

uint64_t padded_bytes(const Value& value, const SymbolSizes& sizes, uint64_t behind) {
  const std::optional<Shape> shape = to_shape(octet::bind(value.dims, sizes));
  if (!shape) {
    fail(ErrorCode::usage, "value '{}' {} has a dimension without a size; give --shapes",
         value.name, to_string(value.dims));
  }
  const uint64_t bytes =
      static_cast<uint64_t>(element_count(*shape)) * size_of(value.dtype) + behind;
  return std::max<uint64_t>(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

std::vector<Lifetime> lifetimes(const Graph& graph, const SymbolSizes& sizes,
                                const std::function<uint64_t(ValueId)>& bytes_behind) {
  std::map<ValueId, Lifetime> lives;
  const auto touch = [&](ValueId id, size_t step) {
    const auto found = lives.find(storage_of(graph, id));
    if (found != lives.end()) found->second.last = std::max(found->second.last, step);
  };
  for (size_t step = 0; step < graph.order().size(); ++step) {
    const Node& node = graph.node(graph.order()[step]);
    for (const ValueId output : node.outputs) {
      if (output == kNoValue || storage_of(graph, output) != output) continue;
      lives[output] = {output, padded_bytes(graph.value(output), sizes, bytes_behind(output)), step,
                       step};
    }
    for (const ValueId input : node.inputs) {
      if (input != kNoValue) touch(input, step);
    }
  }
  for (const ValueId output : graph.outputs()) touch(output, std::numeric_limits<size_t>::max());
  std::vector<Lifetime> result;
  result.reserve(lives.size());
  for (const auto& [id, life] : lives) result.push_back(life);
  return result;
}

bool overlap_in_time(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

/// The lowest offset at which `life` fits between the placed values alive at the same time.
uint64_t lowest_fit(const Lifetime& life, const std::vector<Lifetime>& placed) {
  std::vector<const Lifetime*> neighbours;
  for (const Lifetime& other : placed) {
    if (overlap_in_time(life, other)) neighbours.push_back(&other);
  }
  std::ranges::sort(neighbours, {}, &Lifetime::offset);
  uint64_t offset = 0;
  for (const Lifetime* other : neighbours) {
    if (offset + life.size <= other->offset) break;
    offset = std::max(offset, other->offset + other->size);
  }
  return offset;
}

bool is_view(const Node& node) {
  const OpSchema* schema = find_op(node.domain, node.op);
  return schema != nullptr && schema->is_view;
}

}  // namespace

ValueId storage_of(const Graph& graph, ValueId id) {
  for (auto producer = graph.producer(id); producer && is_view(graph.node(*producer));
       producer = graph.producer(id)) {
    id = graph.node(*producer).inputs.front();
  }
  return id;
}

MemoryPlan plan_memory(const Graph& graph, const SymbolSizes& sizes,
                       const std::function<uint64_t(ValueId)>& bytes_behind) {
  std::vector<Lifetime> lives = lifetimes(graph, sizes, bytes_behind);
  std::ranges::stable_sort(lives, std::greater<>(), &Lifetime::size);
  MemoryPlan plan;
  std::vector<Lifetime> placed;
  for (Lifetime& life : lives) {
    life.offset = lowest_fit(life, placed);
    placed.push_back(life);
    plan.slots[life.value] = {life.offset, life.size};
    plan.arena_bytes = std::max(plan.arena_bytes, life.offset + life.size);
  }
  return plan;
}

}  // namespace octet::runtime
