#include "quant/resolve.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"

namespace octet::quant {
namespace {

/// What the rules have said of one quantizer so far.
struct State {
  const Rule* decided_by = nullptr;
  const Rule* format_from = nullptr;
  bool enabled = false;

  void take(const Rule& rule) {
    decided_by = &rule;
    enabled = rule.enable;
    if (rule.format) format_from = &rule;
  }
};

struct Target {
  const Point* point = nullptr;
  models::Tower tower{};
};

bool concerns(const Rule& rule, const Point& point) {
  return rule.module_class.empty() || rule.module_class == point.module_class;
}

/// Runs the first `count` rules on all targets.
class Resolver {
 public:
  Resolver(const Recipe& recipe, size_t count) : recipe_(recipe), count_(count) {}

  State decide(const Point& point) {
    const std::string alias = alias_of(point.name);
    if (alias.empty() || recipe_.dialect == Dialect::octet) return decide(point, point.name, alias);
    // Two quantizers of one tensor in Model Optimizer: it is quantized when either is on.
    const State own = decide(point, point.name, "");
    const State other = decide(point, alias, "");
    return !own.enabled && other.enabled ? other : own;
  }

  [[nodiscard]] bool has_matched(const Rule& rule) const { return matched_.contains(&rule); }

 private:
  State decide(const Point& point, const std::string& name, const std::string& alias) {
    State state;
    for (size_t i = 0; i < count_; ++i) {
      const Rule& rule = recipe_.rules[i];
      const bool matches =
          glob_matches(rule.match, name) || (!alias.empty() && glob_matches(rule.match, alias));
      if (!matches || !concerns(rule, point)) continue;
      matched_.insert(&rule);
      state.take(rule);
    }
    return state;
  }

  const Recipe& recipe_;
  size_t count_;
  std::set<const Rule*> matched_;
};

void check_state(const State& state, const Point& point, Dialect dialect) {
  if (state.decided_by == nullptr && dialect == Dialect::modelopt) {
    fail_input(
        "no entry decides '{}', which Model Optimizer would leave at INT8; add \"default\": "
        "{{\"enable\": false}}",
        point.name);
  }
  if (!state.enabled) return;
  if (state.format_from == nullptr) {
    fail_input("rule {} enables '{}', but no rule before it gives a format",
               describe(*state.decided_by), point.name);
  }
  if (!state.format_from->problem.empty()) {
    fail_input("rule {} decides '{}': {}", describe(*state.format_from), point.name,
               state.format_from->problem);
  }
  if (state.format_from->format->scale == Granularity::per_channel &&
      point.kind != PointKind::weight) {
    fail_input("rule {} asks for scales per channel of '{}'; only weights can have them",
               describe(*state.format_from), point.name);
  }
}

ResolvedQuantizer resolve_one(const State& state, const Target& target, const Recipe& recipe) {
  const Point& point = *target.point;
  ResolvedQuantizer resolved{point.name, point.kind, target.tower, state.enabled, {}, {}};
  resolved.rule = state.decided_by == nullptr ? "no rule" : describe(*state.decided_by);
  if (!state.enabled) return resolved;
  resolved.format = *state.format_from->format;
  if (point.kind == PointKind::weight && recipe.weight_calibrator) {
    resolved.format.calibrator = *recipe.weight_calibrator;
  }
  return resolved;
}

/// Would anything be on without the last rule?
bool last_rule_ends_all(const Recipe& recipe, const std::vector<Target>& targets) {
  if (recipe.rules.empty() || recipe.rules.back().enable) return false;
  Resolver before(recipe, recipe.rules.size() - 1);
  return std::ranges::any_of(
      targets, [&](const Target& target) { return before.decide(*target.point).enabled; });
}

void check_something_is_on(const Recipe& recipe, const std::vector<Target>& targets,
                           const Resolved& resolved) {
  if (std::ranges::any_of(resolved.quantizers, &ResolvedQuantizer::enabled)) return;
  if (last_rule_ends_all(recipe, targets)) {
    fail_input(
        "recipe '{}': the last rule, {}, switches off everything that the rules before it switched "
        "on; the last match wins, so put it first or leave it out",
        recipe.name, describe(recipe.rules.back()));
  }
  fail_input("recipe '{}' enables no quantizer: nothing would be quantized", recipe.name);
}

void check_matches(const Recipe& recipe, const Resolver& resolver, Resolved& resolved) {
  for (const Rule& rule : recipe.rules) {
    if (resolver.has_matched(rule)) continue;
    if (recipe.dialect == Dialect::octet || rule.place == "--disable") {
      fail_input(
          "recipe '{}': rule {} matches no quantizer of this model; `octet quantize --dry-run` "
          "with "
          "a built-in recipe lists them",
          recipe.name, describe(rule));
    }
    resolved.notices.push_back(
        fmt::format("entry {} concerns no quantizer that there is here", describe(rule)));
  }
}

/// The quantizers of each attention block, by kind.
using AttentionBlocks = std::map<std::string, std::map<PointKind, ResolvedQuantizer*>, std::less<>>;

AttentionBlocks attention_blocks(Resolved& resolved) {
  AttentionBlocks blocks;
  for (ResolvedQuantizer& quantizer : resolved.quantizers) {
    if (quantizer.kind == PointKind::input || quantizer.kind == PointKind::weight) continue;
    blocks[std::string(module_of(quantizer.name))][quantizer.kind] = &quantizer;
  }
  return blocks;
}

bool names_softmax(const Recipe& recipe, const std::string& quantizer) {
  return std::ranges::any_of(recipe.rules, [&](const Rule& rule) {
    return rule.match.find("softmax") != std::string::npos && glob_matches(rule.match, quantizer);
  });
}

/// Model Optimizer's simulation leaves the softmax alone, but what it exports quantizes it.
void add_softmax(const Recipe& recipe, AttentionBlocks& blocks, Resolved& resolved) {
  int64_t added = 0;
  for (auto& [name, block] : blocks) {
    ResolvedQuantizer& softmax = *block[PointKind::softmax];
    const bool wanted = block[PointKind::q]->enabled && block[PointKind::k]->enabled &&
                        block[PointKind::v]->enabled;
    if (!wanted || softmax.enabled || names_softmax(recipe, softmax.name)) continue;
    softmax.enabled = true;
    softmax.rule = "added: FP8 attention needs it";
    ++added;
  }
  if (added == 0) return;
  resolved.notices.push_back(fmt::format(
      "{} attention blocks get the constant softmax quantizer (1/448), which FP8 attention needs "
      "and the configuration does not mention",
      added));
}

void note_partial_attention(AttentionBlocks& blocks, Resolved& resolved) {
  for (auto& [name, block] : blocks) {
    const auto on =
        std::ranges::count_if(block, [](const auto& item) { return item.second->enabled; });
    if (on == 0 || on == static_cast<ptrdiff_t>(block.size())) continue;
    resolved.notices.push_back(fmt::format(
        "attention '{}' is quantized in part: engines compute it in FP8 only when q, k, v and "
        "softmax all are",
        name));
  }
}

}  // namespace

const ResolvedQuantizer* Resolved::find(std::string_view name) const {
  const auto found = std::ranges::find(quantizers, name, &ResolvedQuantizer::name);
  return found == quantizers.end() ? nullptr : &*found;
}

std::vector<TowerPoints> find_points(const models::ClipModel& model) {
  std::vector<TowerPoints> towers;
  for (const models::Tower tower : {models::Tower::text, models::Tower::image}) {
    if (model.has(tower)) towers.push_back({tower, find_points(model.build(tower, {DType::f16}))});
  }
  return towers;
}

Resolved resolve(const Recipe& recipe, const std::vector<TowerPoints>& towers) {
  std::vector<Target> targets;
  for (const TowerPoints& tower : towers) {
    for (const Point& point : tower.points) targets.push_back({&point, tower.tower});
  }
  Resolver resolver(recipe, recipe.rules.size());
  Resolved resolved;
  resolved.recipe = recipe.name;
  for (const Target& target : targets) {
    const State state = resolver.decide(*target.point);
    check_state(state, *target.point, recipe.dialect);
    resolved.quantizers.push_back(resolve_one(state, target, recipe));
  }
  check_matches(recipe, resolver, resolved);
  check_something_is_on(recipe, targets, resolved);
  AttentionBlocks blocks = attention_blocks(resolved);
  if (recipe.dialect == Dialect::modelopt) add_softmax(recipe, blocks, resolved);
  note_partial_attention(blocks, resolved);
  return resolved;
}

bool glob_matches(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), FNM_NOESCAPE) == 0;
}

}  // namespace octet::quant
