#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace octet::cpu::reference {

/// exp(x - max) / sum, in place; the sum runs in double. A row of only minus infinity gives NaN.
inline void softmax(std::span<float> values) {
  if (values.empty()) return;
  const double highest = *std::ranges::max_element(values);
  double sum = 0;
  for (float& value : values) {
    value = static_cast<float>(std::exp(value - highest));
    sum += value;
  }
  for (float& value : values) value = static_cast<float>(value / sum);
}

}  // namespace octet::cpu::reference
