#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace octet {

using Json = nlohmann::json;
/// Keeps the order in which keys were written; for output that people read.
using OrderedJson = nlohmann::ordered_json;

/// Strict parse: duplicate keys and nesting deeper than 64 are errors. `where` names the text in
/// messages. Throws `Error(bad_input)`.
Json parse_json(std::string_view text, std::string_view where);

/// Reads and parses a file.
Json read_json(const std::filesystem::path& path);

/// A member that must be there and have the right type; throws `Error(bad_input)` naming it.
template <typename T>
T json_at(const Json& object, const char* key, std::string_view where);

/// A member that may be absent or null; a wrong type is an error.
template <typename T>
T json_or(const Json& object, const char* key, T fallback, std::string_view where);

[[noreturn]] void fail_json_member(const char* key, std::string_view where, const char* problem);

template <typename T>
T json_at(const Json& object, const char* key, std::string_view where) {
  const auto member = object.find(key);
  if (member == object.end()) fail_json_member(key, where, "is missing");
  try {
    return member->get<T>();
  } catch (const nlohmann::json::exception&) {
    fail_json_member(key, where, "has the wrong type");
  }
}

template <typename T>
T json_or(const Json& object, const char* key, T fallback, std::string_view where) {
  const auto member = object.find(key);
  if (member == object.end() || member->is_null()) return fallback;
  return json_at<T>(object, key, where);
}

}  // namespace octet
