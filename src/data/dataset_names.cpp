#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "data/dataset.h"
#include "data/dataset_formats.h"
#include "data/text_lines.h"

namespace octet::data {
namespace fs = std::filesystem;

namespace {

/// The list meant in an object of lists.
const Json& choose_entry(const Json& json, std::string_view entry, const std::string& where) {
  if (json.is_array()) return json;
  if (!json.is_object() || json.empty()) fail_input("{}: holds no list of names", where);
  if (entry.empty()) {
    if (json.size() == 1) return json.front();
    fail_input("{}: holds {} lists; say which of them (the first is '{}')", where, json.size(),
               json.begin().key());
  }
  const auto found = json.find(entry);
  if (found == json.end()) fail_input("{}: holds no list '{}'", where, entry);
  return *found;
}

std::vector<std::string> read_json_names(const fs::path& path, std::string_view entry) {
  const Json json = read_json(path);
  const Json& list = choose_entry(json, entry, path.string());
  std::vector<std::string> names;
  if (!list.is_array()) fail_input("'{}': the names are not a list", path.string());
  for (const Json& name : list) {
    if (!name.is_string()) fail_input("'{}': a name is not a string", path.string());
    names.push_back(name.get<std::string>());
  }
  return names;
}

std::vector<std::string> read_text_names(const fs::path& path) {
  std::vector<std::string> names;
  for (const std::string& line : split_lines(read_text(path))) names.emplace_back(strip(line));
  while (!names.empty() && names.back().empty()) names.pop_back();
  return names;
}

}  // namespace

std::vector<std::string> read_names(const fs::path& path, std::string_view entry) {
  auto names = path.extension() == ".json" ? read_json_names(path, entry) : read_text_names(path);
  if (names.empty()) fail_input("'{}' holds no names", path.string());
  const auto blank = std::ranges::find(names, "");
  if (blank != names.end()) {
    fail_input("'{}': name {} is empty", path.string(), blank - names.begin() + 1);
  }
  return names;
}

DatasetNames read_dataset_names(const fs::path& folder) {
  DatasetNames names;
  const fs::path classes = folder / "classnames.txt";
  if (file_exists(classes)) names.classes = read_names(classes);
  const fs::path templates = folder / "zeroshot_classification_templates.txt";
  if (file_exists(templates)) names.templates = read_names(templates);
  return names;
}

}  // namespace octet::data
