#include "tools/octet/shapes.h"

#include <charconv>
#include <vector>

#include "base/error.h"

namespace octet::cli {
namespace {

struct Entry {
  std::string name;
  Shape shape;
};

int64_t extent_from(const std::string& text, const std::string& spec) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < 1) {
    fail(ErrorCode::usage, "'{}' in the shapes '{}' is no positive number", text, spec);
  }
  return value;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '\'') {
      quoted = !quoted;
    }
    if (c == separator && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::string unquoted(const std::string& name) {
  const bool quoted = name.size() >= 2 && name.front() == '\'' && name.back() == '\'';
  return quoted ? name.substr(1, name.size() - 2) : name;
}

std::vector<Entry> parse(const std::string& spec) {
  std::vector<Entry> entries;
  if (spec.empty()) return entries;
  for (const std::string& part : split(spec, ',')) {
    const std::vector<std::string> halves = split(part, ':');
    if (halves.size() != 2 || halves[0].empty()) {
      fail(ErrorCode::usage, "shapes are written NAME:1x3x224x224[,NAME:...], not '{}'", spec);
    }
    Entry entry{unquoted(halves[0]), {}};
    const bool scalar = halves[1].empty() || halves[1] == "scalar";
    if (!scalar) {
      for (const std::string& extent : split(halves[1], 'x')) {
        entry.shape.push_back(extent_from(extent, spec));
      }
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

bool matches(const std::string& pattern, const std::string& name) {
  const size_t star = pattern.find('*');
  if (star == std::string::npos) return pattern == name;
  const std::string ending = pattern.substr(star + 1);
  return name.size() + 1 >= pattern.size() && name.starts_with(pattern.substr(0, star)) &&
         name.ends_with(ending);
}

void check_names(const Graph& graph, const std::string& spec) {
  for (const Entry& entry : parse(spec)) {
    bool known = false;
    std::vector<std::string> names;
    for (const ValueId input : graph.inputs()) {
      names.push_back(graph.value(input).name);
      known = known || matches(entry.name, names.back());
    }
    if (!known) {
      fail(ErrorCode::usage, "there is no input '{}' to give a shape to; the inputs are {}",
           entry.name, fmt::join(names, ", "));
    }
  }
}

/// Writes one bound of every symbol of `value` from the shape given for it.
void take_bound(const Value& value, const std::string& spec, int64_t runtime::SymbolRange::*bound,
                runtime::SymbolRanges& ranges) {
  const std::optional<Shape> shape = shape_for(spec, value.name);
  if (!shape) return;
  if (shape->size() != value.dims.size()) {
    fail(ErrorCode::usage, "input '{}' is {}, which {} does not fit", value.name,
         to_string(value.dims), to_string(*shape));
  }
  for (size_t axis = 0; axis < shape->size(); ++axis) {
    const Dim& dim = value.dims[axis];
    if (dim.is_symbolic()) {
      ranges[dim.symbol()].*bound = (*shape)[axis];
    } else if (dim.size() != (*shape)[axis]) {
      fail(ErrorCode::usage, "input '{}' is {}, which {} does not fit", value.name,
           to_string(value.dims), to_string(*shape));
    }
  }
}

void check_given(const Value& value, const ShapeFlags& flags) {
  const bool dynamic = !to_shape(value.dims).has_value();
  if (!dynamic || shape_for(flags.shapes, value.name)) return;
  const bool range = shape_for(flags.min, value.name) && shape_for(flags.opt, value.name) &&
                     shape_for(flags.max, value.name);
  if (range) return;
  fail(
      ErrorCode::usage,
      "input '{}' {} is dynamic; give --shapes={}:..., or --minShapes, --optShapes and --maxShapes",
      value.name, to_string(value.dims), value.name);
}

}  // namespace

std::optional<Shape> shape_for(const std::string& spec, const std::string& input) {
  for (const Entry& entry : parse(spec)) {
    if (matches(entry.name, input)) return entry.shape;
  }
  return std::nullopt;
}

runtime::SymbolRanges symbol_ranges(const Graph& graph, const ShapeFlags& flags) {
  using Range = runtime::SymbolRange;
  runtime::SymbolRanges ranges;
  for (const std::string* spec : {&flags.shapes, &flags.min, &flags.opt, &flags.max}) {
    check_names(graph, *spec);
  }
  for (const ValueId input : graph.inputs()) {
    const Value& value = graph.value(input);
    check_given(value, flags);
    for (const auto bound : {&Range::min, &Range::opt, &Range::max}) {
      take_bound(value, flags.shapes, bound, ranges);
    }
    take_bound(value, flags.min, &Range::min, ranges);
    take_bound(value, flags.opt, &Range::opt, ranges);
    take_bound(value, flags.max, &Range::max, ranges);
  }
  return ranges;
}

}  // namespace octet::cli
