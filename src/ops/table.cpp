#include <algorithm>
#include <array>

#include "ops/families.h"

namespace octet {
namespace {

std::vector<OpSchema> collect() {
  const std::array families{elementwise_ops(), matrix_ops(),    normalization_ops(),
                            attention_ops(),   embedding_ops(), quantize_ops(),
                            layout_ops(),      gather_ops(),    reduce_ops()};
  std::vector<OpSchema> all;
  for (const auto& family : families) all.insert(all.end(), family.begin(), family.end());
  return all;
}

}  // namespace

std::span<const OpSchema> all_ops() {
  static const std::vector<OpSchema> table = collect();
  return table;
}

const OpSchema* find_op(std::string_view domain, std::string_view op) {
  const auto table = all_ops();
  const auto found = std::ranges::find_if(
      table, [&](const OpSchema& schema) { return schema.op == op && schema.domain == domain; });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace octet
