#include "cpu/look_ups.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace octet::cpu {
namespace {

/// Rows of indices 0, 1, 2, ... into a table of each index's own last byte, plus one.
struct Work {
  std::vector<uint16_t> indices;
  std::vector<uint8_t> table = std::vector<uint8_t>(1 << 16);
  std::vector<uint8_t> out;
  LookUps rows;

  explicit Work(int64_t count)
      : indices(static_cast<size_t>(count * LookUps::kColumns)), out(indices.size()) {
    std::iota(indices.begin(), indices.end(), uint16_t{0});
    for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<uint8_t>(i + 1);
    rows = {indices.data(), table.data(), out.data(), LookUps::kColumns, count};
  }

  void expect_done() const {
    for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], static_cast<uint8_t>(i + 1)) << i;
  }
};

TEST(PendingLookUps, FinishDoesWhatIsLeft) {
  Work first(5);
  Work second(3);
  PendingLookUps pending;
  pending.add(first.rows);
  pending.add(second.rows);
  pending.finish();
  first.expect_done();
  second.expect_done();
  EXPECT_EQ(pending.take(8).rows, 0);
}

TEST(PendingLookUps, EveryRowIsHandedOverOnce) {
  Work work(7);
  PendingLookUps pending;
  pending.add(work.rows);
  int64_t next = 0;
  for (const int64_t expected : {4, 3, 0}) {
    const LookUps taken = pending.take(4);
    EXPECT_EQ(taken.rows, expected);
    const int64_t done = next * LookUps::kColumns;
    EXPECT_EQ(taken.indices, expected > 0 ? work.indices.data() + done : nullptr);
    EXPECT_EQ(taken.out, expected > 0 ? work.out.data() + done : nullptr);
    next += taken.rows;
  }
  EXPECT_EQ(next, 7);
}

TEST(PendingLookUps, NoRowsAreNothing) {
  PendingLookUps pending;
  for (int i = 0; i < 2 * PendingLookUps::kMost; ++i) pending.add({});
  EXPECT_EQ(pending.take(1).rows, 0);
}

}  // namespace
}  // namespace octet::cpu
