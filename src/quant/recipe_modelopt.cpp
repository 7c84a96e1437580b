// Model Optimizer's configurations. A dictionary of patterns means what it meant when that form was
// current: `default` is applied first, wherever it stands. A list is taken in its order.
#include <array>
#include <set>

#include "quant/recipe_syntax.h"

namespace octet::quant {
namespace {

constexpr std::array<std::string_view, 3> kDocumentKeys{"quant_cfg", "algorithm", "effective_bits"};
constexpr std::array<std::string_view, 4> kEntryKeys{"quantizer_name", "parent_class", "cfg",
                                                     "enable"};
/// Attributes without a say in static FP8 on the graph.
constexpr std::array<std::string_view, 8> kIgnored{
    "trt_high_precision_dtype", "fake_quant", "pass_through_bwd", "effective_bits",
    "backend_extra_args",       "unsigned",   "narrow_range",     "learn_amax"};
/// Attributes that must be absent, null or false.
constexpr std::array<std::string_view, 6> kUnsupported{
    "block_sizes", "bias", "rotate", "backend", "use_constant_amax", "constant_amax"};
/// How keys that stand for a class of modules begin.
constexpr const char* kClassPrefix = "nn.";

/// What `algorithm` says of weights; activations keep their largest magnitude under both.
Calibrator read_algorithm(const YAML::Node& node, const std::string& source) {
  Calibrator weights;
  const YAML::Node method = node && node.IsMap() ? node["method"] : node;
  std::string name = "max";
  if (method && method.IsScalar()) name = read_scalar<std::string>(method, "algorithm", source);
  if (name == "mse") {
    weights.method = CalibrationMethod::mse;
  } else if (name != "max" || (node && !node.IsMap() && !node.IsScalar())) {
    const std::string place = node ? place_of(node, source) : source;
    fail_input("{}: algorithm '{}' is not supported; supported are max and mse", place,
               method && method.IsScalar() ? name : "null");
  }
  return weights;
}

bool is_off(const YAML::Node& value) {
  return value.IsNull() ||
         (value.IsScalar() && (value.Scalar() == "False" || value.Scalar() == "false"));
}

/// (4, 3) as a list or in words.
bool is_e4m3(const YAML::Node& bits) {
  if (bits.IsSequence()) {
    return bits.size() == 2 && bits[0].as<std::string>("") == "4" &&
           bits[1].as<std::string>("") == "3";
  }
  static const std::set<std::string> spellings{"e4m3", "(4,3)", "(4, 3)"};
  return bits.IsScalar() && spellings.contains(bits.Scalar());
}

std::string text_of(const YAML::Node& node) {
  YAML::Emitter out;
  out << YAML::Flow << node;
  return out.c_str();
}

/// Reads the attribute into `rule`; what cannot be had becomes the rule's problem.
void read_attribute(const std::string& key, const YAML::Node& value, const std::string& source,
                    Rule& rule) {
  const auto refuse = [&] {
    rule.problem = fmt::format("{} {} is not supported", key, text_of(value));
  };
  if (key == "num_bits") {
    if (!is_e4m3(value)) refuse();
  } else if (key == "axis") {
    if (value.IsNull()) return;
    if (value.Scalar() != "0") return refuse();
    rule.format->scale = Granularity::per_channel;
  } else if (key == "enable") {
    rule.enable = read_scalar<bool>(value, key, source);
  } else if (key == "type") {
    if (value.Scalar() != "static") refuse();
  } else if (key == "calibrator") {
    if (value.Scalar() != "max") refuse();
  } else if (std::ranges::count(kUnsupported, key) > 0) {
    if (!is_off(value)) refuse();
  } else if (std::ranges::count(kIgnored, key) == 0) {
    fail_input("{}: unknown quantizer attribute '{}'", place_of(value, source), key);
  }
}

bool only_switches(const YAML::Node& attributes) {
  return attributes.size() == 1 && attributes["enable"];
}

void read_attributes(const YAML::Node& attributes, const std::string& source, Rule& rule) {
  if (attributes.IsSequence()) {
    rule.format = Format{};
    rule.problem = "several formats in a row are not supported";
    return;
  }
  if (!attributes.IsMap()) {
    fail_input("{}: the attributes of '{}' are a map", place_of(attributes, source), rule.match);
  }
  if (only_switches(attributes)) {
    rule.enable = read_scalar<bool>(attributes["enable"], "enable", source);
    return;
  }
  rule.format = Format{};
  if (!attributes["num_bits"]) rule.problem = "num_bits 8, the default, is not supported";
  for (const auto& entry : attributes) {
    read_attribute(entry.first.Scalar(), entry.second, source, rule);
  }
}

Rule dictionary_rule(const YAML::Node& key, const YAML::Node& attributes,
                     const std::string& module_class, const std::string& source) {
  Rule rule;
  rule.match = key.Scalar() == "default" ? "*" : key.Scalar();
  rule.module_class = module_class;
  rule.place = place_of(key, source);
  read_attributes(attributes, source, rule);
  return rule;
}

/// {pattern: attributes}, and {class: {pattern: attributes}} one level down.
void read_dictionary(const YAML::Node& patterns, const std::string& module_class,
                     const std::string& source, std::vector<Rule>& rules) {
  std::set<std::string> seen;
  const size_t begin = rules.size();
  for (const auto& entry : patterns) {
    const std::string key = entry.first.Scalar();
    if (!seen.insert(key).second) {
      fail_input("{}: '{}' stands twice", place_of(entry.first, source), key);
    }
    if (module_class.empty() && key.starts_with(kClassPrefix)) {
      read_dictionary(entry.second, key, source, rules);
      continue;
    }
    Rule rule = dictionary_rule(entry.first, entry.second, module_class, source);
    const auto place =
        key == "default" ? rules.begin() + static_cast<ptrdiff_t>(begin) : rules.end();
    rules.insert(place, std::move(rule));
  }
}

Rule list_rule(const YAML::Node& entry, const std::string& source) {
  check_keys(entry, kEntryKeys, source);
  Rule rule;
  rule.place = place_of(entry, source);
  if (!entry["quantizer_name"]) fail_input("{}: an entry without 'quantizer_name'", rule.place);
  rule.match = read_scalar<std::string>(entry["quantizer_name"], "quantizer_name", source);
  if (const YAML::Node parent = entry["parent_class"]; parent && !parent.IsNull()) {
    rule.module_class = read_scalar<std::string>(parent, "parent_class", source);
  }
  const YAML::Node attributes = entry["cfg"];
  const bool has_attributes = attributes && !attributes.IsNull();
  if (has_attributes) read_attributes(attributes, source, rule);
  if (has_attributes && !rule.format) {
    fail_input("{}: a 'cfg' that only has 'enable'; put 'enable' beside 'quantizer_name'",
               rule.place);
  }
  if (!has_attributes && !entry["enable"]) {
    fail_input("{}: an entry with neither 'cfg' nor 'enable'", rule.place);
  }
  if (entry["enable"]) rule.enable = read_scalar<bool>(entry["enable"], "enable", source);
  return rule;
}

/// Entries with `quantizer_name`, or dictionaries of one pattern each.
void read_list(const YAML::Node& entries, const std::string& source, std::vector<Rule>& rules) {
  for (const YAML::Node& entry : entries) {
    if (!entry.IsMap()) fail_input("{}: an entry is a map", place_of(entry, source));
    if (entry["quantizer_name"] || entry.size() != 1) {
      rules.push_back(list_rule(entry, source));
    } else {
      const auto only = *entry.begin();
      rules.push_back(dictionary_rule(only.first, only.second, "", source));
    }
  }
}

}  // namespace

Recipe parse_modelopt(const YAML::Node& document, const std::string& source) {
  check_keys(document, kDocumentKeys, source);
  const YAML::Node entries = document["quant_cfg"];
  Recipe recipe;
  recipe.dialect = Dialect::modelopt;
  recipe.weight_calibrator = read_algorithm(document["algorithm"], source);
  if (entries.IsMap()) {
    read_dictionary(entries, "", source, recipe.rules);
  } else if (entries.IsSequence()) {
    read_list(entries, source, recipe.rules);
  }
  if (recipe.rules.empty()) {
    fail_input("{}: 'quant_cfg' is a map of patterns or a list of entries", source);
  }
  return recipe;
}

}  // namespace octet::quant
