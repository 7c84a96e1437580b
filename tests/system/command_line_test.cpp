#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "tests/system/program.h"

namespace octet::system_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

int lines_in(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

/// A usage error: exit code 2, nothing on stdout, one sentence on stderr.
void expect_usage_error(const std::vector<std::string>& arguments, const std::string& wanted) {
  const Outcome outcome = run_octet(arguments);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, StartsWith("octet: error: "));
  EXPECT_THAT(outcome.err, HasSubstr(wanted));
  EXPECT_EQ(lines_in(outcome.err), 1) << outcome.err;
}

TEST(CommandLine, UnknownVerbListsTheVerbs) {
  expect_usage_error({"frobnicate"}, "there is no verb 'frobnicate'");
  expect_usage_error({"--threads", "2", "frobnicate", "x"}, "version");
}

TEST(CommandLine, NoVerbListsTheVerbs) {
  expect_usage_error({}, "knobs, version");
}

TEST(CommandLine, UnknownFlagsAreNamed) {
  expect_usage_error({"--bogus"}, "'--bogus'");
  expect_usage_error({"version", "--bogus"}, "--bogus");
}

TEST(CommandLine, BadValuesAreNamed) {
  expect_usage_error({"--threads", "-1", "version"}, "--threads");
  expect_usage_error({"--threads=many", "version"}, "--threads");
}

TEST(CommandLine, QuietAndVerboseExcludeEachOther) {
  expect_usage_error({"version", "-q", "-v"}, "--quiet");
}

TEST(CommandLine, HelpGoesToStdout) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--help"}, std::vector<std::string>{"version", "--help"}}) {
    const Outcome outcome = run_octet(words);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("Usage: octet"));
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(CommandLine, GlobalFlagsStandOnEitherSide) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--json", "--threads=3", "version"},
        std::vector<std::string>{"version", "--threads", "3", "--json"}}) {
    const Outcome outcome = run_octet(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(parse_json(outcome.out, "stdout").at("threads"), 3);
  }
}

TEST(CommandLine, KnobsShowTheEnvironment) {
  const Outcome outcome = run_octet({"knobs", "--json"}, {"OCTET_THREADS=7"});
  ASSERT_EQ(outcome.exit_code, 0);
  const Json knobs = parse_json(outcome.out, "stdout");
  const auto row = std::find_if(knobs.begin(), knobs.end(), [](const Json& knob) {
    return knob.at("name") == "OCTET_THREADS";
  });
  ASSERT_NE(row, knobs.end());
  EXPECT_EQ(row->at("value"), "7");
  EXPECT_EQ(row->at("default"), "0");
}

TEST(CommandLine, ABadKnobIsAUsageError) {
  const Outcome outcome = run_octet({"version"}, {"OCTET_THREADS=lots"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("OCTET_THREADS"));
}

}  // namespace
}  // namespace octet::system_test
