#include "quant/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "quant/report.h"
#include "tests/expect_error.h"

namespace octet::quant {
namespace {

using octet::test::expect_error;
using testing::HasSubstr;

constexpr const char* kBlock = "vision_model.encoder.layers.1.";

const std::vector<TowerPoints>& mini_clip() {
  static const auto points = find_points(models::ClipModel(checkpoint::open_checkpoint(
      std::filesystem::path(OCTET_SOURCE_DIR) / "tests/golden/interop/random/mini-clip")));
  return points;
}

Resolved resolve_rules(const std::string& rules) {
  return resolve(parse_recipe("name: x\nversion: 1\nrules:\n" + rules, "x.yaml"), mini_clip());
}

Resolved resolve_modelopt(const std::string& patterns) {
  return resolve(parse_recipe("{\"quant_cfg\": " + patterns + "}", "x.json"), mini_clip());
}

bool is_on(const Resolved& resolved, const std::string& name) {
  const ResolvedQuantizer* found = resolved.find(name);
  return found != nullptr && found->enabled;
}

void expect_bad(const std::string& rules, const std::vector<std::string>& parts) {
  expect_error(ErrorCode::bad_input, parts, [&] { resolve_rules(rules); });
}

TEST(Points, EveryPlaceOfASmallClip) {
  // Two towers of two blocks: six products with input and weight, four places in attention; the
  // projections; the patch convolution.
  ASSERT_EQ(mini_clip().size(), 2U);
  EXPECT_EQ(mini_clip()[0].points.size(), 2U * (12 + 4) + 2);
  EXPECT_EQ(mini_clip()[1].points.size(), 2U * (12 + 4) + 2 + 2);
  const auto& image = mini_clip()[1].points;
  EXPECT_EQ(image.front().name, "vision_model.embeddings.patch_embedding.input_quantizer");
  EXPECT_EQ(image.front().module_class, "nn.Conv2d");
  EXPECT_EQ(image.back().name, "visual_projection.weight_quantizer");
}

TEST(Glob, MatchesWholeNamesAcrossDots) {
  EXPECT_TRUE(glob_matches("*weight_quantizer", "a.b.weight_quantizer"));
  EXPECT_TRUE(glob_matches("a.?.c", "a.b.c"));
  EXPECT_TRUE(glob_matches("*.[qkv]_bmm_quantizer", "x.y.k_bmm_quantizer"));
  EXPECT_TRUE(glob_matches("*.[!qk]_bmm_quantizer", "x.v_bmm_quantizer"));
  EXPECT_FALSE(glob_matches("*.[qkv]_bmm_quantizer", "x.softmax_quantizer"));
  EXPECT_FALSE(glob_matches("weight", "a.weight"));
}

TEST(Resolve, LastMatchWins) {
  const Resolved resolved = resolve_rules(R"(
  - {match: "*.weight_quantizer", format: e4m3, scale: per_channel, calibrator: mse}
  - {match: "*.fc1.*", enable: false}
  - {match: "*.layers.1.*.fc1.weight_quantizer", enable: true}
  - {match: "*.layers.0.*.fc2.weight_quantizer", format: e4m3}
)");
  EXPECT_FALSE(is_on(resolved, "vision_model.encoder.layers.0.mlp.fc1.weight_quantizer"));
  // A rule without a format only switches: the earlier format stays.
  const auto* again = resolved.find("vision_model.encoder.layers.1.mlp.fc1.weight_quantizer");
  EXPECT_TRUE(again->enabled);
  EXPECT_EQ(again->format.scale, Granularity::per_channel);
  EXPECT_EQ(again->rule, "'*.layers.1.*.fc1.weight_quantizer' (x.yaml:7)");
  // A rule with a format replaces: nothing is inherited.
  const auto* replaced = resolved.find("vision_model.encoder.layers.0.mlp.fc2.weight_quantizer");
  EXPECT_EQ(replaced->format, Format{});
  EXPECT_EQ(resolved.find("visual_projection.input_quantizer")->rule, "no rule");
}

TEST(Resolve, ARuleThatMatchesNothingIsNamed) {
  expect_bad(
      "  - {match: \"*.weight_quantizer\", format: e4m3}\n"
      "  - {match: \"*.wieght_quantizer\", format: e4m3}\n",
      {"'*.wieght_quantizer' (x.yaml:5)", "matches no quantizer"});
  Recipe recipe = open_recipe("fp8");
  disable(recipe, "*.fc3.*");
  expect_error(ErrorCode::bad_input, {"'*.fc3.*' (--disable)"},
               [&] { resolve(recipe, mini_clip()); });
}

TEST(Resolve, ATrailingDenyAllIsAnErrorThatSaysSo) {
  expect_bad("  - {match: \"*\", format: e4m3}\n  - {match: \"*\", enable: false}\n",
             {"the last rule, '*' (x.yaml:5)", "switches off everything"});
  expect_bad("  - {match: \"*\", enable: false}\n", {"enables no quantizer"});
  Recipe recipe = open_recipe("fp8");
  disable(recipe, "*");
  expect_error(ErrorCode::bad_input, {"--disable", "everything"},
               [&] { resolve(recipe, mini_clip()); });
}

TEST(Resolve, EnablingWithoutAFormatIsAnError) {
  expect_bad("  - {match: \"*.fc1.weight_quantizer\", enable: true}\n", {"format", "fc1"});
}

TEST(Resolve, ScalesPerChannelAreForWeights) {
  expect_bad("  - {match: \"*.fc1.*\", format: e4m3, scale: per_channel}\n",
             {"per channel", "input_quantizer"});
}

TEST(Resolve, TheAttentionOutputHasTwoNames) {
  const Resolved resolved =
      resolve_rules("  - {match: \"*bmm2_output_quantizer\", format: e4m3}\n");
  EXPECT_TRUE(is_on(resolved, std::string(kBlock) + "self_attn.out_proj.input_quantizer"));
  EXPECT_FALSE(is_on(resolved, std::string(kBlock) + "self_attn.q_proj.input_quantizer"));
  EXPECT_EQ(count_quantizers(resolved).enabled, 4);
}

TEST(Resolve, BuiltInRecipes) {
  const auto enabled = [](const char* name) {
    return count_quantizers(resolve(open_recipe(name), mini_clip())).enabled;
  };
  EXPECT_EQ(enabled("fp8"), 4 * 16 + 4);
  EXPECT_EQ(enabled("fp8-per-channel"), 4 * 16 + 4);
  EXPECT_EQ(enabled("fp8-nomha"), 4 * 12 + 4);
  EXPECT_EQ(enabled("fp8-all"), 4 * 16 + 4 + 2);
  EXPECT_EQ(enabled("fp8-weights"), 4 * 6 + 2);
  const Resolved resolved = resolve(open_recipe("fp8"), mini_clip());
  EXPECT_FALSE(is_on(resolved, "vision_model.embeddings.patch_embedding.weight_quantizer"));
  EXPECT_TRUE(resolved.notices.empty());
}

TEST(Resolve, BuiltInRecipesFitOneTower) {
  for (const std::string& name : builtin_recipe_names()) {
    for (const TowerPoints& tower : mini_clip()) {
      EXPECT_GT(count_quantizers(resolve(open_recipe(name), {tower})).enabled, 0) << name;
    }
  }
}

TEST(Resolve, AttentionInPartIsNoted) {
  Recipe recipe = open_recipe("fp8");
  disable(recipe, "*.layers.0.self_attn.v_bmm_quantizer");
  const Resolved resolved = resolve(recipe, mini_clip());
  ASSERT_EQ(resolved.notices.size(), 2U);
  EXPECT_THAT(resolved.notices[0], HasSubstr("'text_model.encoder.layers.0.self_attn'"));
}

constexpr const char* kArticle = R"({
  "*weight_quantizer": {"num_bits": [4, 3], "axis": null},
  "*input_quantizer": {"num_bits": [4, 3], "axis": null},
  "*[qkv]_bmm_quantizer": {"num_bits": [4, 3], "axis": null},
  "*bmm2_output_quantizer": {"num_bits": [4, 3], "axis": null},
  "default": {"enable": false}})";

TEST(ResolveModelOpt, TheArticlesConfigurationMeansWhatItMeant) {
  const Resolved resolved = resolve_modelopt(kArticle);
  // Everything that it names, the patch embedding too, and the softmax that FP8 attention needs.
  EXPECT_EQ(count_quantizers(resolved).enabled, 4 * 16 + 4 + 2);
  const auto* softmax = resolved.find(std::string(kBlock) + "self_attn.softmax_quantizer");
  EXPECT_TRUE(softmax->enabled);
  EXPECT_THAT(softmax->rule, HasSubstr("added"));
  ASSERT_EQ(resolved.notices.size(), 1U);
  EXPECT_THAT(resolved.notices[0], HasSubstr("4 attention blocks"));
}

TEST(ResolveModelOpt, ARuleAboutTheSoftmaxIsKept) {
  const Resolved resolved = resolve_modelopt(R"({"*": {"num_bits": [4, 3]},
    "*softmax_quantizer": {"enable": false}, "default": {"enable": false}})");
  EXPECT_FALSE(is_on(resolved, std::string(kBlock) + "self_attn.softmax_quantizer"));
}

TEST(ResolveModelOpt, QuantizersThatThereAreNoneOfAreNotices) {
  const Resolved resolved = resolve_modelopt(R"({"*weight_quantizer": {"num_bits": [4, 3]},
    "*lm_head*": {"enable": false}, "nn.LayerNorm": {"*": {"enable": false}},
    "default": {"enable": false}})");
  ASSERT_EQ(resolved.notices.size(), 2U);
  EXPECT_THAT(resolved.notices[0], HasSubstr("'*lm_head*'"));
  EXPECT_THAT(resolved.notices[1], HasSubstr("nn.LayerNorm"));
}

TEST(ResolveModelOpt, TheAttentionOutputHasAQuantizerOfItsOwn) {
  // Switching it off leaves the input of out_proj, which sees the same tensor, as it is.
  const Resolved resolved = resolve_modelopt(R"({"*input_quantizer": {"num_bits": [4, 3]},
    "*output_quantizer": {"enable": false}, "default": {"enable": false}})");
  EXPECT_TRUE(is_on(resolved, std::string(kBlock) + "self_attn.out_proj.input_quantizer"));
}

TEST(ResolveModelOpt, ClassesOfModules) {
  const Resolved resolved = resolve_modelopt(R"({"*weight_quantizer": {"num_bits": [4, 3]},
    "nn.Conv2d": {"*": {"enable": false}}, "default": {"enable": false}})");
  EXPECT_FALSE(is_on(resolved, "vision_model.embeddings.patch_embedding.weight_quantizer"));
  EXPECT_TRUE(is_on(resolved, "visual_projection.weight_quantizer"));
}

TEST(ResolveModelOpt, WhatWouldStayInt8IsAnError) {
  expect_error(ErrorCode::bad_input, {"INT8", "default"},
               [] { resolve_modelopt(R"({"*weight_quantizer": {"num_bits": [4, 3]}})"); });
  expect_error(ErrorCode::bad_input, {"num_bits 8", "fc1"}, [] {
    resolve_modelopt(R"({"*fc1.weight_quantizer": {"num_bits": 8}, "default": {"enable": false}})");
  });
  // An unusable format that a later rule replaces does no harm.
  const Resolved resolved = resolve_modelopt(R"({"*weight_quantizer": {"num_bits": 8},
    "*t_quantizer": {"num_bits": [4, 3]}, "default": {"enable": false}})");
  EXPECT_TRUE(is_on(resolved, "visual_projection.weight_quantizer"));
}

TEST(ResolveModelOpt, ATrailingDenyAllInAListIsAnError) {
  expect_error(ErrorCode::bad_input, {"last rule", "switches off everything"}, [] {
    resolve_modelopt(R"([{"quantizer_name": "*", "cfg": {"num_bits": [4, 3]}},
      {"quantizer_name": "*", "enable": false}])");
  });
}

TEST(Report, TextAndJsonSayTheSame) {
  const Resolved resolved = resolve(open_recipe("fp8"), mini_clip());
  SolvedScales scales;
  scales["visual_projection.weight_quantizer"] = {{0.5F, 0.25F}, {0.0012F, 0.0006F}};
  const std::string text = to_text(resolved, scales);
  EXPECT_THAT(text, HasSubstr("0.25 to 0.5"));
  EXPECT_THAT(text, HasSubstr("recipe fp8: 68 of 70 quantizers enabled (text 34 of 34, image 34 "
                              "of 36)"));
  EXPECT_EQ(std::ranges::count(text, '\n'), 70 + 2);
  const OrderedJson json = to_json(resolved, scales);
  EXPECT_EQ(json["enabled"], 68);
  EXPECT_EQ(json["quantizers"].size(), 70U);
  const auto& last = json["quantizers"].back();
  EXPECT_EQ(last["name"], "visual_projection.weight_quantizer");
  EXPECT_EQ(last["amax"], (std::vector<float>{0.5F, 0.25F}));
  EXPECT_EQ(last["scale"], "per_tensor");
}

}  // namespace
}  // namespace octet::quant
