#include "cpu/look_ups.h"

#include <algorithm>

#include "base/error.h"

namespace octet::cpu {

void PendingLookUps::add(const LookUps& rows) {
  check(count_ < kMost, "{} panels wait to be looked up", count_);
  if (rows.rows > 0) waiting_[static_cast<size_t>(count_++)] = rows;
}

LookUps PendingLookUps::take(int64_t most) {
  if (count_ == 0 || most <= 0) return {};
  LookUps& rows = waiting_[static_cast<size_t>(count_ - 1)];
  LookUps taken = rows;
  taken.rows = std::min(most, rows.rows);
  rows.indices += taken.rows * LookUps::kColumns;
  rows.out += taken.rows * rows.stride;
  rows.rows -= taken.rows;
  if (rows.rows == 0) --count_;
  return taken;
}

void PendingLookUps::finish() {
  while (count_ > 0) {
    LookUps row = take(1);
    for (int64_t i = 0; i < LookUps::kColumns; ++i) row.out[i] = row.table[row.indices[i]];
  }
}

}  // namespace octet::cpu
