#include "base/json.h"

#include <gtest/gtest.h>

#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace octet {
namespace {

using test::expect_error;

void expect_invalid(std::string_view text, const std::string& reason) {
  expect_error(ErrorCode::bad_input, {"test.json", reason}, [&] { parse_json(text, "test.json"); });
}

TEST(Json, ParsesDocuments) {
  const Json json = parse_json(R"( {"a": [1, -2, 3.5], "b": {"a": null}} )", "test.json");
  EXPECT_EQ(json["a"][1], -2);
  EXPECT_TRUE(json["b"]["a"].is_null());
}

TEST(Json, RefusesKeysThatStandTwice) {
  expect_invalid(R"({"a": 1, "b": 2, "a": 3})", "key 'a' stands twice");
  expect_invalid(R"({"x": [{"a": {"q": 1, "q": 1}}]})", "key 'q' stands twice");
  expect_invalid(R"({"a": 1, "\u0061": 2})", "key 'a' stands twice");
  EXPECT_NO_THROW(parse_json(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})", "test.json"));
}

TEST(Json, LimitsDepth) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_NO_THROW(parse_json(nested(64), "test.json"));
  expect_invalid(nested(100), "nested deeper than 64");
  expect_invalid(nested(1'000'000), "nested deeper than 64");
}

TEST(Json, RefusesWhatIsNoJson) {
  expect_invalid("", "not valid JSON");
  expect_invalid("{", "not valid JSON");
  expect_invalid("{} {}", "not valid JSON");
  expect_invalid("{'a': 1}", "not valid JSON");
  expect_invalid("{\"a\": \"\xFF\"}", "not valid JSON");
  expect_invalid(std::string_view("{}\0{}", 5), "not valid JSON");
}

TEST(Json, ReadsFiles) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(read_json(folder.write("a.json", "[7]"))[0], 7);
  expect_error(ErrorCode::bad_input, {"b.json", "not valid JSON"},
               [&] { read_json(folder.write("b.json", "[7")); });
}

TEST(Json, MembersThatMustBeThere) {
  const Json json = parse_json(R"({"n": 3, "s": "x"})", "test.json");
  EXPECT_EQ(json_at<int>(json, "n", "test.json"), 3);
  expect_error(ErrorCode::bad_input, {"test.json", "'m' is missing"},
               [&] { json_at<int>(json, "m", "test.json"); });
  expect_error(ErrorCode::bad_input, {"test.json", "'s' has the wrong type"},
               [&] { json_at<int>(json, "s", "test.json"); });
}

TEST(Json, MembersThatMayBeAbsent) {
  const Json json = parse_json(R"({"n": 3, "z": null, "s": "x"})", "test.json");
  EXPECT_EQ(json_or<int>(json, "n", 1, "test.json"), 3);
  EXPECT_EQ(json_or<int>(json, "z", 1, "test.json"), 1);
  EXPECT_EQ(json_or<int>(json, "m", 1, "test.json"), 1);
  expect_error(ErrorCode::bad_input, {"'s' has the wrong type"},
               [&] { json_or<int>(json, "s", 1, "test.json"); });
}

}  // namespace
}  // namespace octet
