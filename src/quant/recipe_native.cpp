#include <array>
#include <set>

#include "quant/recipe_syntax.h"

namespace octet::quant {
namespace {

constexpr int kVersion = 1;
constexpr std::array<std::string_view, 5> kRecipeKeys{"name", "version", "calibrator", "percentile",
                                                      "rules"};
constexpr std::array<std::string_view, 6> kRuleKeys{"match", "enable",     "format",
                                                    "scale", "calibrator", "percentile"};
/// Keys of a rule that say how, and so need a format.
constexpr std::array kFormatKeys{"scale", "calibrator", "percentile"};

Calibrator read_calibrator(const YAML::Node& map, Calibrator fallback, const std::string& source) {
  Calibrator calibrator = fallback;
  if (const YAML::Node node = map["calibrator"]) {
    const auto name = read_scalar<std::string>(node, "calibrator", source);
    try {
      calibrator = parse_calibrator(name);
    } catch (const Error& error) {
      fail_input("{}: {}", place_of(node, source), error.what());
    }
  }
  if (const YAML::Node node = map["percentile"]) {
    calibrator.percentile = read_scalar<double>(node, "percentile", source);
    if (!(calibrator.percentile > 0) || calibrator.percentile > 100) {
      fail_input("{}: percentile {} is not above 0 and at most 100", place_of(node, source),
                 calibrator.percentile);
    }
  }
  return calibrator;
}

Granularity read_granularity(const YAML::Node& node, const std::string& source) {
  const auto name = read_scalar<std::string>(node, "scale", source);
  if (name == "per_tensor") return Granularity::per_tensor;
  if (name == "per_channel") return Granularity::per_channel;
  fail_input("{}: scale '{}' is unknown; use per_tensor or per_channel", place_of(node, source),
             name);
}

Format read_format(const YAML::Node& rule, Calibrator fallback, const std::string& source) {
  const auto element = read_scalar<std::string>(rule["format"], "format", source);
  if (element != "e4m3") {
    fail_input("{}: format '{}' is unknown; the format is e4m3", place_of(rule["format"], source),
               element);
  }
  Format format;
  format.calibrator = read_calibrator(rule, fallback, source);
  if (const YAML::Node scale = rule["scale"]) format.scale = read_granularity(scale, source);
  return format;
}

Rule read_rule(const YAML::Node& node, Calibrator fallback, const std::string& source) {
  Rule rule;
  rule.place = place_of(node, source);
  if (!node.IsMap()) fail_input("{}: a rule is a map with 'match'", rule.place);
  check_keys(node, kRuleKeys, source);
  if (!node["match"]) fail_input("{}: a rule without 'match'", rule.place);
  rule.match = read_scalar<std::string>(node["match"], "match", source);
  if (node["enable"]) rule.enable = read_scalar<bool>(node["enable"], "enable", source);
  if (node["format"]) {
    rule.format = read_format(node, fallback, source);
    return rule;
  }
  for (const char* key : kFormatKeys) {
    if (node[key]) {
      fail_input("{}: '{}' needs a 'format' beside it: a rule says everything or only 'enable'",
                 place_of(node[key], source), key);
    }
  }
  if (!node["enable"]) fail_input("{}: a rule with neither 'format' nor 'enable'", rule.place);
  return rule;
}

}  // namespace

std::string place_of(const YAML::Node& node, const std::string& source) {
  return fmt::format("{}:{}", source, node.Mark().line + 1);
}

void check_keys(const YAML::Node& map, std::span<const std::string_view> known,
                const std::string& source) {
  std::set<std::string> seen;
  for (const auto& entry : map) {
    const std::string key = entry.first.Scalar();
    if (std::ranges::count(known, key) == 0) {
      fail_input("{}: unknown key '{}'; known are {}", place_of(entry.first, source), key,
                 fmt::join(known, ", "));
    }
    if (!seen.insert(key).second) {
      fail_input("{}: key '{}' stands twice", place_of(entry.first, source), key);
    }
  }
}

Recipe parse_native(const YAML::Node& document, const std::string& source) {
  check_keys(document, kRecipeKeys, source);
  for (const char* key : {"name", "version", "rules"}) {
    if (!document[key]) fail_input("{}: the recipe has no '{}'", source, key);
  }
  const int version = read_scalar<int>(document["version"], "version", source);
  if (version != kVersion) {
    fail_input("{}: version {} is not known; this program reads version {}",
               place_of(document["version"], source), version, kVersion);
  }
  const YAML::Node rules = document["rules"];
  if (!rules.IsSequence()) fail_input("{}: 'rules' is a list", place_of(rules, source));
  Recipe recipe;
  recipe.name = read_scalar<std::string>(document["name"], "name", source);
  const Calibrator calibrator = read_calibrator(document, {}, source);
  for (const YAML::Node& rule : rules) {
    recipe.rules.push_back(read_rule(rule, calibrator, source));
  }
  if (recipe.rules.empty()) fail_input("{}: the recipe has no rules", source);
  return recipe;
}

}  // namespace octet::quant
