#pragma once

#include <string>
#include <vector>

#include "models/clip.h"
#include "quant/points.h"
#include "quant/recipe.h"

namespace octet::quant {

/// What a recipe decides for one quantizer.
struct ResolvedQuantizer {
  std::string name;
  PointKind kind{};
  models::Tower tower{};
  bool enabled = false;
  Format format;     ///< of an enabled one
  std::string rule;  ///< the rule that decided, in words
};

/// A recipe applied to a model: every quantizer it could have, text tower first.
struct Resolved {
  std::string recipe;
  std::vector<ResolvedQuantizer> quantizers;
  std::vector<std::string> notices;  ///< a sentence each

  [[nodiscard]] const ResolvedQuantizer* find(std::string_view name) const;
};

/// The points of one tower, for `resolve`.
struct TowerPoints {
  models::Tower tower{};
  std::vector<Point> points;
};

/// Of every tower that the model has.
std::vector<TowerPoints> find_points(const models::ClipModel& model);

/// Applies the rules. Throws `Error(bad_input)`, naming the rule, when one matches nothing, when
/// the last one switches off all that was on, when nothing is on at the end, and when an enabled
/// quantizer has no format or one that it cannot have. In Model Optimizer's dialect a pattern that
/// matches nothing is a notice, and an attention block whose q, k and v are on gets the constant
/// softmax quantizer that FP8 attention needs, unless a rule speaks of it.
Resolved resolve(const Recipe& recipe, const std::vector<TowerPoints>& towers);

/// Does a glob match the whole of a name? `*` (any characters, dots too), `?`, `[abc]`, `[!abc]`.
bool glob_matches(const std::string& pattern, const std::string& name);

}  // namespace octet::quant
