#pragma once

#include <yaml-cpp/yaml.h>

#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "quant/recipe.h"

namespace octet::quant {

// The two languages of recipes, one file each. `source` names the text in messages.
Recipe parse_native(const YAML::Node& document, const std::string& source);
Recipe parse_modelopt(const YAML::Node& document, const std::string& source);

/// "fp8.yaml:12"
std::string place_of(const YAML::Node& node, const std::string& source);

/// Throws `Error(bad_input)` for a key that is not in `known` or stands twice, naming key and line.
void check_keys(const YAML::Node& map, std::span<const std::string_view> known,
                const std::string& source);

/// A scalar of type T; throws `Error(bad_input)` naming key and line.
template <typename T>
T read_scalar(const YAML::Node& node, std::string_view key, const std::string& source) {
  T value{};
  if (!node.IsScalar() || !YAML::convert<T>::decode(node, value)) {
    fail_input("{}: '{}' has an unusable value", place_of(node, source), key);
  }
  return value;
}

}  // namespace octet::quant
