#include "quant/recipe.h"

#include <gtest/gtest.h>

#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace octet::quant {
namespace {

using octet::test::expect_error;
using octet::test::TemporaryFolder;

constexpr const char* kHead = "name: x\nversion: 1\n";

Recipe parse(const std::string& text) {
  return parse_recipe(text, "x.yaml");
}

void expect_bad(const std::string& text, const std::vector<std::string>& parts) {
  expect_error(ErrorCode::bad_input, parts, [&] { parse(text); });
}

TEST(Recipe, ReadsEveryKey) {
  const Recipe recipe = parse(R"(name: mine
version: 1
calibrator: percentile
percentile: 99.9
rules:
  - {match: "*.weight_quantizer", format: e4m3, scale: per_channel, calibrator: mse}
  - {match: "*.input_quantizer", format: e4m3}
  - {match: "*.q_bmm_quantizer", format: e4m3, percentile: 98, enable: false}
  - match: "*.fc2.*"
    enable: false
)");
  EXPECT_EQ(recipe.name, "mine");
  EXPECT_EQ(recipe.dialect, Dialect::octet);
  ASSERT_EQ(recipe.rules.size(), 4U);
  EXPECT_EQ(recipe.rules[0].format->scale, Granularity::per_channel);
  EXPECT_EQ(recipe.rules[0].format->calibrator.method, CalibrationMethod::mse);
  EXPECT_EQ(recipe.rules[1].format->calibrator, (Calibrator{CalibrationMethod::percentile, 99.9}));
  EXPECT_EQ(recipe.rules[2].format->calibrator.percentile, 98);
  EXPECT_FALSE(recipe.rules[2].enable);
  EXPECT_FALSE(recipe.rules[3].format);
  EXPECT_EQ(describe(recipe.rules[3]), "'*.fc2.*' (x.yaml:9)");
}

TEST(Recipe, UnknownKeysNameKeyAndLine) {
  expect_bad(std::string(kHead) + "granularity: 3\nrules: []\n", {"x.yaml:3", "granularity"});
  expect_bad(
      std::string(kHead) + "rules:\n  - {match: a, format: e4m3}\n  - {match: b, fmt: e4m3}\n",
      {"x.yaml:5", "'fmt'", "match, enable, format"});
}

TEST(Recipe, WhatARuleMustSay) {
  const std::string head = std::string(kHead) + "rules:\n  - ";
  expect_bad(head + "{format: e4m3}\n", {"x.yaml:4", "match"});
  expect_bad(head + "{match: a}\n", {"neither 'format' nor 'enable'"});
  expect_bad(head + "{match: a, enable: true, scale: per_tensor}\n", {"'scale' needs a 'format'"});
  expect_bad(head + "{match: a, format: int8}\n", {"'int8'", "e4m3"});
  expect_bad(head + "{match: a, format: e4m3, scale: per_row}\n", {"per_row", "per_channel"});
  expect_bad(head + "{match: a, format: e4m3, calibrator: histogram}\n", {"histogram", "entropy"});
  expect_bad(head + "{match: a, format: e4m3, percentile: 0}\n", {"x.yaml:4", "percentile"});
  expect_bad(head + "{match: a, enable: maybe}\n", {"'enable'"});
  expect_bad(head + "{match: a, enable: true, enable: false}\n", {"twice"});
  expect_bad(head + "just words\n", {"a rule is a map"});
}

TEST(Recipe, WhatARecipeMustSay) {
  expect_bad("name: x\nrules: []\n", {"'version'"});
  expect_bad("version: 1\nrules: []\n", {"'name'"});
  expect_bad("name: x\nversion: 2\nrules: []\n", {"x.yaml:2", "version 2"});
  expect_bad(std::string(kHead) + "rules: {}\n", {"list"});
  expect_bad(std::string(kHead) + "rules: []\n", {"no rules"});
  expect_bad("- a\n- b\n", {"map"});
  expect_bad("name: [x\n", {"x.yaml:"});
  expect_bad("", {"map"});
}

TEST(Recipe, BuiltInOnesParse) {
  const auto names = builtin_recipe_names();
  for (const char* wanted : {"fp8", "fp8-per-channel", "fp8-nomha", "fp8-all", "fp8-weights"}) {
    EXPECT_TRUE(std::ranges::count(names, wanted) == 1) << wanted;
  }
  for (const std::string& name : names) EXPECT_EQ(open_recipe(name).name, name);
}

TEST(Recipe, AFileWorksAndANameThatIsNeitherListsThem) {
  const TemporaryFolder folder;
  const auto path =
      folder.write("own.yaml", std::string(kHead) + "rules:\n  - {match: '*', format: e4m3}\n");
  EXPECT_EQ(open_recipe(path.string()).rules.size(), 1U);
  expect_error(ErrorCode::usage, {"'fp9'", "fp8-per-channel"}, [] { open_recipe("fp9"); });
}

// The configuration of the article that made FP8 CLIP known, as JSON: the deny-all stands last.
constexpr const char* kLegacy = R"({
  "quant_cfg": {
    "*weight_quantizer": {"num_bits": [4, 3], "axis": null, "trt_high_precision_dtype": "Half"},
    "*input_quantizer": {"num_bits": [4, 3], "axis": null},
    "*[qkv]_bmm_quantizer": {"num_bits": [4, 3], "axis": null},
    "*bmm2_output_quantizer": {"num_bits": [4, 3], "axis": null},
    "nn.LayerNorm": {"*": {"enable": false}},
    "default": {"enable": false}
  },
  "algorithm": "max"
})";

TEST(ModelOptRecipe, DefaultIsAppliedFirst) {
  const Recipe recipe = parse(kLegacy);
  EXPECT_EQ(recipe.dialect, Dialect::modelopt);
  ASSERT_EQ(recipe.rules.size(), 6U);
  EXPECT_EQ(recipe.rules[0].match, "*");
  EXPECT_FALSE(recipe.rules[0].enable);
  EXPECT_FALSE(recipe.rules[0].format);
  EXPECT_EQ(recipe.rules[1].match, "*weight_quantizer");
  EXPECT_TRUE(recipe.rules[1].format && recipe.rules[1].problem.empty());
  EXPECT_EQ(recipe.rules[5].module_class, "nn.LayerNorm");
}

TEST(ModelOptRecipe, AListKeepsItsOrder) {
  const Recipe recipe = parse(R"(
quant_cfg:
  - {quantizer_name: "*", enable: false}
  - {quantizer_name: "*weight_quantizer", cfg: {num_bits: e4m3, axis: 0}}
  - {quantizer_name: "*", parent_class: nn.Conv2d, enable: false}
  - {"*input_quantizer": {num_bits: [4, 3]}}
algorithm: {method: mse}
)");
  ASSERT_EQ(recipe.rules.size(), 4U);
  EXPECT_FALSE(recipe.rules[0].enable);
  EXPECT_EQ(recipe.rules[1].format->scale, Granularity::per_channel);
  EXPECT_EQ(recipe.rules[2].module_class, "nn.Conv2d");
  EXPECT_TRUE(recipe.rules[3].format);
  EXPECT_EQ(recipe.weight_calibrator->method, CalibrationMethod::mse);
}

TEST(ModelOptRecipe, WhatCannotBeHadIsToldWhenItMatters) {
  const Recipe recipe = parse(R"({"quant_cfg": {"a": {"num_bits": 8}, "b": {"num_bits": [4, 3],
    "block_sizes": {"-1": 16}}, "c": [{"num_bits": 4}, {"num_bits": [4, 3]}], "d": {"axis": null},
    "e": {"num_bits": [4, 3], "calibrator": "histogram"}}})");
  for (const Rule& rule : recipe.rules) EXPECT_FALSE(rule.problem.empty()) << rule.match;
  expect_bad(R"({"quant_cfg": {"a": {"num_bitz": 8}}})", {"num_bitz"});
  expect_bad(R"({"quant_cfg": {"a": {"enable": false}}, "algorithm": "awq_lite"})", {"awq_lite"});
  expect_bad(R"({"quant_cfg": {"a": {"enable": false}}, "algorithm": null})", {"null"});
  expect_bad(R"({"quant_cfg": [{"quantizer_name": "a"}]})", {"neither"});
  expect_bad(R"({"quant_cfg": {}})", {"quant_cfg"});
}

TEST(Recipe, CalibratorAndDisableFromOutside) {
  Recipe recipe = parse(kLegacy);
  set_calibrator(recipe, {CalibrationMethod::entropy, 99.99});
  EXPECT_EQ(recipe.rules[1].format->calibrator.method, CalibrationMethod::entropy);
  EXPECT_FALSE(recipe.weight_calibrator);
  disable(recipe, "*.fc1.*");
  EXPECT_EQ(describe(recipe.rules.back()), "'*.fc1.*' (--disable)");
}

}  // namespace
}  // namespace octet::quant
