#include "base/json.h"

#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace octet {

Json parse_json(std::string_view text, std::string_view where) {
  constexpr int kMaxDepth = 64;
  std::vector<std::set<std::string>> keys;
  const Json::parser_callback_t strict = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth) fail_input("{}: JSON is nested deeper than {}", where, kMaxDepth);
    switch (event) {
      case Json::parse_event_t::object_start:
        keys.emplace_back();
        break;
      case Json::parse_event_t::object_end:
        keys.pop_back();
        break;
      case Json::parse_event_t::key:
        if (!keys.back().insert(parsed.get<std::string>()).second) {
          fail_input("{}: key '{}' stands twice", where, parsed.get<std::string>());
        }
        break;
      default:
        break;
    }
    return true;
  };
  // The parser would take a NUL for the end and ignore what stands behind it.
  if (text.find('\0') != std::string_view::npos) fail_input("{}: not valid JSON (NUL)", where);
  try {
    return Json::parse(text, strict);
  } catch (const nlohmann::json::exception& error) {
    fail_input("{}: not valid JSON ({})", where, error.what());
  }
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_text(path), path.string());
}

void fail_json_member(const char* key, std::string_view where, const char* problem) {
  fail_input("{}: '{}' {}", where, key, problem);
}

}  // namespace octet
