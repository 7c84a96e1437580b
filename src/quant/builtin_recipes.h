#pragma once

#include <span>
#include <string_view>

namespace octet::quant {

/// A file of recipes/, embedded when the library is built (cmake/recipes.cmake).
struct BuiltinRecipe {
  std::string_view name;
  std::string_view text;
};

std::span<const BuiltinRecipe> builtin_recipes();

}  // namespace octet::quant
