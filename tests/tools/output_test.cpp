#include "tools/octet/output.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace octet::cli {
namespace {

TEST(Table, ColumnsOfNumbersAlignRight) {
  Table table({"precision", "acc1", "change"});
  table.add_row({"fp16", "0.7617", "-"});
  table.add_row({"fp8", "0.765", "+0.33"});
  EXPECT_EQ(table.text(),
            "precision    acc1  change\n"
            "-------------------------\n"
            "fp16       0.7617       -\n"
            "fp8         0.765   +0.33\n");
}

TEST(Table, WidthCountsCharactersNotBytes) {
  Table table({"µs", "x"});
  table.add_row({"é", "a"});
  EXPECT_EQ(table.text(), "µs  x\n-----\né   a\n");
}

TEST(Table, RowsMustFit) {
  Table table({"a", "b"});
  EXPECT_THROW(table.add_row({"1"}), std::logic_error);
}

TEST(SizeText, UsesBinaryUnits) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(1023), "1023 B");
  EXPECT_EQ(size_text(1536), "1.5 KiB");
  EXPECT_EQ(size_text(292ULL << 20), "292.0 MiB");
}

}  // namespace
}  // namespace octet::cli
