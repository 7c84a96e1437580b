#include "quant/recipe.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/files.h"
#include "quant/builtin_recipes.h"
#include "quant/recipe_syntax.h"

namespace octet::quant {
namespace fs = std::filesystem;

std::string_view name_of(Granularity granularity) {
  return granularity == Granularity::per_tensor ? "per tensor" : "per channel";
}

std::string describe(const Rule& rule) {
  const std::string of = rule.module_class.empty() ? "" : fmt::format(" of {}", rule.module_class);
  return fmt::format("'{}'{} ({})", rule.match, of, rule.place);
}

Recipe parse_recipe(std::string_view text, std::string_view where) {
  const std::string source(where);
  try {
    const YAML::Node document = YAML::Load(std::string(text));
    if (!document.IsMap()) fail_input("{}: a recipe is a map with 'name' and 'rules'", source);
    return document["quant_cfg"] ? parse_modelopt(document, source)
                                 : parse_native(document, source);
  } catch (const YAML::Exception& error) {
    fail_input("{}:{}: {}", source, error.mark.line + 1, error.msg);
  }
}

Recipe open_recipe(const std::string& name_or_path) {
  for (const BuiltinRecipe& recipe : builtin_recipes()) {
    if (recipe.name == name_or_path) {
      return parse_recipe(recipe.text, fmt::format("{}.yaml", recipe.name));
    }
  }
  const fs::path path(name_or_path);
  if (!file_exists(path)) {
    fail(ErrorCode::usage, "there is no recipe or file '{}'; the built-in recipes are {}",
         name_or_path, fmt::join(builtin_recipe_names(), ", "));
  }
  Recipe recipe = parse_recipe(read_text(path), path.filename().string());
  if (recipe.name.empty()) recipe.name = path.stem().string();
  return recipe;
}

std::vector<std::string> builtin_recipe_names() {
  std::vector<std::string> names;
  for (const BuiltinRecipe& recipe : builtin_recipes()) names.emplace_back(recipe.name);
  return names;
}

void disable(Recipe& recipe, const std::string& pattern) {
  Rule rule;
  rule.match = pattern;
  rule.place = "--disable";
  rule.enable = false;
  recipe.rules.push_back(std::move(rule));
}

void set_calibrator(Recipe& recipe, const Calibrator& calibrator) {
  recipe.weight_calibrator.reset();
  for (Rule& rule : recipe.rules) {
    if (rule.format) rule.format->calibrator = calibrator;
  }
}

}  // namespace octet::quant
