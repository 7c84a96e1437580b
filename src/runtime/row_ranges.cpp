#include "runtime/row_ranges.h"

#include <algorithm>
#include <span>

namespace octet::runtime {
namespace {

/// The first end-of-text token; without one the first row alone counts. A negative token stands for
/// the largest id, as the original model has it.
int64_t eos_position(std::span<const int64_t> ids, int64_t eos_token) {
  if (eos_token < 0) return std::ranges::max_element(ids) - ids.begin();
  const auto found = std::ranges::find(ids, eos_token);
  return found == ids.end() ? 0 : found - ids.begin();
}

}  // namespace

bool decides_extents(const Node& node) {
  return node.is("RowRanges", kOctetDomain);
}

int64_t fill_row_ranges(const Node& node, const Operand& ids, const Operand& ranges) {
  const int64_t eos_token = node.integer("eos_token_id", -1);
  auto* out = ranges.as<int32_t>();
  int32_t begin = 0;
  for (int64_t sample = 0; sample < ids.extent(0); ++sample) {
    const std::span row(ids.as<int64_t>() + sample * ids.last(), static_cast<size_t>(ids.last()));
    const auto end = begin + static_cast<int32_t>(eos_position(row, eos_token)) + 1;
    out[2 * sample] = begin;
    out[2 * sample + 1] = end;
    begin = end;
  }
  return begin;
}

}  // namespace octet::runtime
