#include "cuda/index_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace octet::cuda {
namespace {

const IndexText kText({{"batch", 0, 0}, {"length", 0, 1}});

TEST(IndexText, KnownExtentsAreNumbersAndSymbolsAreRead) {
  EXPECT_EQ(kText.count(Dims{2, 3, 5}), "2 * 3 * 5");
  EXPECT_EQ(kText.count(Dims{1, "length", 5}), "Index(sizes.at[1]) * 5");
  EXPECT_EQ(kText.count(Dims{}), "1");
  EXPECT_EQ(kText.stride({"batch", "length", 5}, 0), "Index(sizes.at[1]) * 5");
  EXPECT_EQ(kText.stride({"batch", "length", 5}, 2), "1");
}

TEST(IndexText, CoordinatesDivideOnlyWhereTheyMust) {
  const Dims dims{"batch", 1, 3, 5};
  EXPECT_EQ(kText.coordinate(dims, 0, "i"), "(i / (3 * 5))");
  EXPECT_EQ(kText.coordinate(dims, 1, "i"), "0");
  EXPECT_EQ(kText.coordinate(dims, 2, "i"), "(i / (5) % 3)");
  EXPECT_EQ(kText.coordinate(dims, 3, "i"), "(i % 5)");
  EXPECT_EQ(kText.coordinate({7}, 0, "i"), "(i)");
}

TEST(IndexText, BroadcastAxesDoNotMove) {
  const Dims to{"batch", 3, 5};
  EXPECT_EQ(kText.broadcast_offset(to, to, "i"), "i");
  EXPECT_EQ(kText.broadcast_offset({}, to, "i"), "0");
  EXPECT_EQ(kText.broadcast_offset({1, 5}, to, "i"), "(i % 5)");
  EXPECT_EQ(kText.broadcast_offset({"batch", 1, 5}, to, "i"), "(i / (3 * 5)) * 5 + (i % 5)");
}

TEST(IndexText, NumbersAreExact) {
  EXPECT_EQ(number_text(0.1F), "(0x1.99999ap-4f)");
  EXPECT_EQ(number_text(-2.0F), "(-0x1p+1f)");
  EXPECT_EQ(number_text(std::numeric_limits<float>::infinity()), "__int_as_float(0x7f800000)");
  EXPECT_EQ(number_text(std::nanf("")), "__int_as_float(0x7fffffff)");
}

TEST(IndexText, EverySymbolIsFoundOnce) {
  Graph graph("symbols");
  const ValueId a = graph.add_input("a", DType::f32, {2, "length", "batch"});
  const ValueId b = graph.add_input("b", DType::f32, {"batch", "rows"});
  const Node node{"node", "", "Add", {a, kNoValue, b}, {}, {}};
  const std::vector<SymbolPlace> places = symbols_of(graph, node);
  ASSERT_EQ(places.size(), 3U);
  EXPECT_EQ(places[0].symbol, "length");
  EXPECT_EQ(places[1].axis, 2U);
  EXPECT_EQ(places[2].operand, 2U);
}

}  // namespace
}  // namespace octet::cuda
