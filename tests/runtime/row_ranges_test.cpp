#include "runtime/row_ranges.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace octet::runtime {
namespace {

struct Case {
  int64_t eos_token;
  int64_t rows;
  std::vector<int32_t> ranges;
};

TEST(RowRanges, EndAtTheEndOfText) {
  const Tensor ids =
      Tensor::from<int64_t>({3, 4}, std::vector<int64_t>{5, 9, 9, 1, 9, 2, 3, 4, 1, 2, 3, 4});
  const std::vector<Case> cases{
      {9, 4, {0, 2, 2, 3, 3, 4}},   // the first of several; at the start; missing
      {-1, 7, {0, 2, 2, 3, 3, 7}},  // the largest id
  };
  for (const Case& expected : cases) {
    Node node;
    node.domain = kOctetDomain;
    node.op = "RowRanges";
    node.attributes["eos_token_id"] = expected.eos_token;
    const Tensor ranges(DType::i32, {3, 2});
    EXPECT_EQ(fill_row_ranges(node, view_of(ids), view_of(ranges)), expected.rows);
    EXPECT_EQ(ranges, Tensor::from<int32_t>({3, 2}, expected.ranges));
  }
}

}  // namespace
}  // namespace octet::runtime
