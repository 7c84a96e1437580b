// The house's order, checked on the sources: who may include whom, and what no room may do.
// The table of rooms is the one in ARCHITECTURE.md, so the page cannot lie.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

using Ranks = std::map<std::string, int>;

/// Folders outside src/ that hold code and stand above all rooms.
constexpr std::string_view kTop[] = {"tools", "tests", "bench", "fuzz"};

struct Source {
  std::string path;  ///< from the repository's root
  std::string text;
};

/// Rows "| 3 | `ops` | ..." of ARCHITECTURE.md.
Ranks read_ranks(const std::string& page) {
  static const std::regex row(R"(^\|\s*(\d+)\s*\|\s*`([a-z]+)/?`\s*\|)");
  Ranks ranks;
  std::istringstream lines(page);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_search(line, match, row)) ranks[match[2]] = std::stoi(match[1]);
  }
  return ranks;
}

const Ranks& ranks() {
  static const Ranks table = read_ranks(read_text(fs::path(OCTET_SOURCE_DIR) / "ARCHITECTURE.md"));
  return table;
}

std::vector<Source> sources_below(std::string_view folder) {
  static const std::set<std::string> code{".h", ".cpp", ".cu", ".cuh", ".inc"};
  std::vector<Source> sources;
  const fs::path root(OCTET_SOURCE_DIR);
  if (!fs::exists(root / folder)) return sources;
  for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
    if (!entry.is_regular_file() || !code.contains(entry.path().extension())) continue;
    sources.push_back({fs::relative(entry.path(), root).generic_string(), read_text(entry)});
  }
  std::ranges::sort(sources, {}, &Source::path);
  return sources;
}

/// The room a file belongs to: "ops" for src/ops/x.h, "tools" for tools/octet/x.cpp.
std::string room_of(const std::string& path) {
  const auto slash = path.find('/');
  std::string top = path.substr(0, slash);
  if (top != "src") return top;
  return path.substr(slash + 1, path.find('/', slash + 1) - slash - 1);
}

/// Paths of `#include "..."`.
std::vector<std::string> own_includes(const std::string& text) {
  static const std::regex line(R"re((?:^|\n)[ \t]*#[ \t]*include[ \t]*"([^"]+)")re");
  std::vector<std::string> paths;
  for (std::sregex_iterator it(text.begin(), text.end(), line), end; it != end; ++it) {
    paths.push_back((*it)[1]);
  }
  return paths;
}

/// Where the comment or literal that begins at `at` ends; `at` when none begins there.
size_t end_of_noise(std::string_view text, size_t at) {
  const auto after = [&](std::string_view mark, size_t from) {
    const size_t found = text.find(mark, from);
    return found == std::string_view::npos ? text.size() : found + mark.size();
  };
  const std::string_view rest = text.substr(at);
  if (rest.starts_with("//")) return std::min(text.find('\n', at), text.size());
  if (rest.starts_with("/*")) return after("*/", at + 2);
  if (rest.starts_with("R\"")) {
    const std::string_view tag = rest.substr(2, rest.find('(') - 2);
    return after(")" + std::string(tag) + "\"", at + 2);
  }
  if (rest.front() != '"' && rest.front() != '\'') return at;
  size_t end = at + 1;
  while (end < text.size() && text[end] != rest.front() && text[end] != '\n') {
    end += text[end] == '\\' ? 2 : 1;
  }
  return std::min(end + 1, text.size());
}

/// The text with comments and literals blanked, so that only code is searched.
std::string code_only(std::string_view text) {
  std::string code;
  for (size_t at = 0; at < text.size();) {
    const bool separator = at > 0 && std::isdigit(static_cast<unsigned char>(text[at - 1])) != 0;
    const size_t end = text[at] == '\'' && separator ? at : end_of_noise(text, at);
    code += end == at ? text[at] : ' ';
    at = end == at ? at + 1 : end;
  }
  return code;
}

/// Texts of GPU kernels are compiled at run time and may include only texts beside them.
std::optional<std::string> kernel_text_refusal(const Source& source, const std::string& path) {
  const fs::path folder = (fs::path(OCTET_SOURCE_DIR) / source.path).parent_path();
  if (path.find('/') == std::string::npos && fs::exists(folder / path)) return std::nullopt;
  return "no such text stands beside it";
}

bool is_kernel_text(const Source& source) {
  return source.path.ends_with(".cu") || source.path.ends_with(".cuh");
}

/// Why a file of `room` may not include `path`; nullopt when it may.
std::optional<std::string> refusal(const Ranks& table, const std::string& room,
                                   const std::string& path) {
  const std::string target = path.substr(0, path.find('/'));
  if (target == room || target == "hwy") return std::nullopt;  // Highway's examples use quotes
  const auto own = table.find(room);
  if (own == table.end()) return room + " is not in the table of ARCHITECTURE.md";
  if (target == "octet") {
    const bool allowed = room == "api" || std::ranges::find(kTop, room) != std::end(kTop);
    return allowed ? std::nullopt : std::optional<std::string>("the public API is above it");
  }
  const auto other = table.find(target);
  if (other == table.end())
    return "'" + target + "' is no room (other libraries' headers stand in <>)";
  if (room == "tests") return std::nullopt;  // they look into every room
  if (other->second > own->second) return target + " stands above " + room;
  if (other->second == own->second) return target + " and " + room + " are strangers";
  return std::nullopt;
}

std::vector<std::string> include_problems(const std::vector<Source>& sources) {
  std::vector<std::string> problems;
  for (const Source& source : sources) {
    for (const std::string& path : own_includes(source.text)) {
      const auto reason = is_kernel_text(source) ? kernel_text_refusal(source, path)
                                                 : refusal(ranks(), room_of(source.path), path);
      if (reason) problems.push_back(source.path + " includes " + path + ": " + *reason);
    }
  }
  return problems;
}

/// Files of src/ whose code matches `pattern`, `exempt` left out.
std::vector<std::string> files_with(const std::regex& pattern,
                                    const std::set<std::string>& exempt) {
  std::vector<std::string> files;
  for (const Source& source : sources_below("src")) {
    if (exempt.contains(source.path)) continue;
    std::smatch match;
    const std::string code = code_only(source.text);
    if (std::regex_search(code, match, pattern)) {
      files.push_back(source.path + " uses " + match.str());
    }
  }
  return files;
}

const std::regex& environment() {
  static const std::regex pattern(R"(\b(secure_)?getenv\b|\b(set|put|unset)env\b|\benviron\b)");
  return pattern;
}

const std::regex& printing() {
  static const std::regex pattern(
      R"(\bstd(out|err)\b|\bstd::(cout|cerr|clog)\b|\bv?f?printf\b|\bputs\b|\bputchar\b|\bperror\b)"
      R"(|\bfmt::print\b|\bspdlog\b)");
  return pattern;
}

const std::regex& ending() {
  static const std::regex pattern(
      R"(\b(std::)?(abort|_Exit|quick_exit|terminate)\s*\(|\b_?exit\s*\()");
  return pattern;
}

const std::vector<std::string> kNone;

TEST(Layers, TableNamesEveryRoomOnce) {
  EXPECT_EQ(ranks().at("base"), 0);
  EXPECT_EQ(ranks().at("tools"), 9);
  for (const auto& entry : fs::directory_iterator(fs::path(OCTET_SOURCE_DIR) / "src")) {
    EXPECT_TRUE(ranks().contains(entry.path().filename())) << entry.path();
  }
}

TEST(Layers, RoomsIncludeOnlyLowerRooms) {
  EXPECT_EQ(include_problems(sources_below("src")), kNone);
}

TEST(Layers, ProgramsIncludeOnlyLowerRooms) {
  for (const std::string_view folder : kTop) {
    EXPECT_EQ(include_problems(sources_below(folder)), kNone);
  }
}

TEST(Layers, PublicHeadersIncludeNothingOfTheHouse) {
  for (const Source& source : sources_below("include")) {
    for (const std::string& path : own_includes(source.text)) {
      EXPECT_TRUE(path.starts_with("octet/")) << source.path << " includes " << path;
    }
  }
}

TEST(Layers, OnlyKnobsReadTheEnvironment) {
  EXPECT_EQ(files_with(environment(), {"src/base/knob.cpp"}), kNone);
}

TEST(Layers, TheLibraryNeverPrints) {
  EXPECT_EQ(files_with(printing(), {}), kNone);
}

TEST(Layers, TheLibraryNeverEndsTheProgram) {
  EXPECT_EQ(files_with(ending(), {}), kNone);
}

// The rules themselves: each finds what it is for.

TEST(LayerRules, UpwardAndSidewaysIncludesAreRefused) {
  const Ranks table{{"base", 0}, {"graph", 2}, {"data", 2},  {"ops", 3},
                    {"api", 8},  {"tests", 9}, {"tools", 9}, {"bench", 9}};
  EXPECT_EQ(refusal(table, "ops", "graph/graph.h"), std::nullopt);
  EXPECT_EQ(refusal(table, "ops", "ops/ops.h"), std::nullopt);
  EXPECT_EQ(refusal(table, "graph", "ops/ops.h"), "ops stands above graph");
  EXPECT_EQ(refusal(table, "graph", "data/image.h"), "data and graph are strangers");
  EXPECT_EQ(refusal(table, "graph", "octet/octet.h"), "the public API is above it");
  EXPECT_EQ(refusal(table, "api", "octet/octet.h"), std::nullopt);
  EXPECT_EQ(refusal(table, "tests", "octet/octet.h"), std::nullopt);
  EXPECT_EQ(refusal(table, "tests", "tools/octet/output.h"), std::nullopt);
  EXPECT_EQ(refusal(table, "bench", "tools/octet/output.h"), "tools and bench are strangers");
  EXPECT_EQ(refusal(table, "ops", "helpers/x.h"),
            "'helpers' is no room (other libraries' headers stand in <>)");
}

TEST(LayerRules, IncludesAreFoundInAnySpelling) {
  EXPECT_EQ(
      own_includes("#include \"a/b.h\"\n  #  include   \"c/d.h\" // why\n#include <vector>\n"),
      (std::vector<std::string>{"a/b.h", "c/d.h"}));
}

TEST(LayerRules, RoomsFollowFromPaths) {
  EXPECT_EQ(room_of("src/ops/families/x.cpp"), "ops");
  EXPECT_EQ(room_of("tools/octet/main.cpp"), "tools");
}

TEST(LayerRules, CodeIsSearchedWithoutCommentsAndStrings) {
  EXPECT_FALSE(
      std::regex_search(code_only("// std::cout\n/* printf( */ f(\"stderr\");"), printing()));
  EXPECT_TRUE(std::regex_search(code_only("f(\"a\"); std::fprintf(stderr, \"b\");"), printing()));
  EXPECT_TRUE(std::regex_search(code_only("x = std::getenv(\"HOME\");"), environment()));
  EXPECT_TRUE(std::regex_search(code_only("std::abort();"), ending()));
  EXPECT_EQ(code_only("a/*b\nc*/d"), "a d");
  EXPECT_EQ(code_only("f(\"\\\"x\", 'y', 1'000) // z\n"), "f( ,  , 1'000)  \n");
  EXPECT_EQ(code_only("f(R\"t(stdout\")\" )t\", g)"), "f( , g)");
  EXPECT_FALSE(std::regex_search(code_only("snprintf(b, 3, \"x\");"), printing()));
}

}  // namespace
}  // namespace octet
