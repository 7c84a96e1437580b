#include "base/knob.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <stdexcept>

namespace octet {
namespace {

TEST(Knob, EveryRowIsNamedOnceAndExplained) {
  std::set<std::string_view> names;
  for (const Knob& row : all_knobs()) {
    EXPECT_TRUE(row.name.starts_with("OCTET_")) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_FALSE(row.meaning.empty()) << row.name;
  }
  EXPECT_TRUE(names.contains("OCTET_THREADS"));
}

TEST(Knob, TheEnvironmentComesBeforeTheFallback) {
  ::unsetenv("OCTET_DISABLE_PASS");
  EXPECT_EQ(knob("OCTET_DISABLE_PASS"), "");
  ::setenv("OCTET_DISABLE_PASS", "fuse", 1);
  EXPECT_EQ(knob("OCTET_DISABLE_PASS"), "fuse");
  ::unsetenv("OCTET_DISABLE_PASS");
}

TEST(Knob, UnknownNamesAreOurBug) {
  EXPECT_THROW(knob("OCTET_NO_SUCH_KNOB"), std::logic_error);
}

}  // namespace
}  // namespace octet
