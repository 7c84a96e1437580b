#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quant/calibrator.h"

namespace octet::quant {

/// How many scales a tensor has.
enum class Granularity : uint8_t {
  per_tensor,
  per_channel,  ///< one for each output channel; weights only
};
/// "per tensor", "per channel".
std::string_view name_of(Granularity granularity);

/// How a tensor is quantized; the element type is always E4M3.
struct Format {
  Granularity scale = Granularity::per_tensor;
  Calibrator calibrator;
  friend bool operator==(const Format&, const Format&) = default;
};

/// One line of a recipe. Of the rules whose pattern matches a quantizer's name the last one counts.
struct Rule {
  std::string match;  ///< glob over quantizer names; `*` crosses dots
  /// Only quantizers of modules of this class, as Model Optimizer names it ("nn.Linear"); empty
  /// for all.
  std::string module_class;
  std::string place;  ///< where it stands: "fp8.yaml:12", "--disable"
  bool enable = true;
  /// With a format the rule says everything; without one it only switches on or off.
  std::optional<Format> format;
  std::string problem;  ///< why the format cannot be used; matters only to what the rule decides
};
/// "'*.weight_quantizer' (fp8.yaml:12)"
std::string describe(const Rule& rule);

/// Whose semantics the rules follow where they differ.
enum class Dialect : uint8_t {
  octet,     ///< all quantizers are off at first; a rule that matches nothing is an error
  modelopt,  ///< a configuration of Model Optimizer, which leaves the undecided at INT8; patterns
             ///< for quantizers that there are none of here are told as notices
};

/// Which quantizers of a model are on, and how they are calibrated.
struct Recipe {
  std::string name;
  Dialect dialect = Dialect::octet;
  std::vector<Rule> rules;                      ///< in order
  std::optional<Calibrator> weight_calibrator;  ///< of all weights, instead of what rules say
};

/// Reads a recipe: YAML as docs/recipes.md describes it, or a configuration of Model Optimizer
/// (YAML or JSON with `quant_cfg`, as a dictionary or as a list). `where` names the text in
/// messages. Throws `Error(bad_input)` naming key and line.
Recipe parse_recipe(std::string_view text, std::string_view where);

/// A built-in recipe by name, or the file of that path. Throws `Error(usage)` listing the names
/// when there is neither.
Recipe open_recipe(const std::string& name_or_path);
std::vector<std::string> builtin_recipe_names();

/// Appends the rule of `--disable GLOB`.
void disable(Recipe& recipe, const std::string& pattern);
/// Every format gets this calibrator.
void set_calibrator(Recipe& recipe, const Calibrator& calibrator);

}  // namespace octet::quant
