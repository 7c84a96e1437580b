#include "quant/report.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace octet::quant {
namespace {

constexpr size_t kColumns = 6;
using Row = std::array<std::string, kColumns>;

/// "0.01223", or "0.0021 to 0.0034" of several.
std::string range_text(const std::vector<float>& values) {
  if (values.empty()) return "-";
  const auto [smallest, largest] = std::ranges::minmax(values);
  if (values.size() == 1) return fmt::format("{:.5g}", largest);
  return fmt::format("{:.5g} to {:.5g}", smallest, largest);
}

std::string calibrator_text(const ResolvedQuantizer& quantizer) {
  if (quantizer.kind == PointKind::softmax) return "constant";
  return to_string(quantizer.format.calibrator);
}

const SolvedScale& scale_of(const SolvedScales& scales, const std::string& name) {
  static const SolvedScale none;
  const auto found = scales.find(name);
  return found == scales.end() ? none : found->second;
}

Row row_of(const ResolvedQuantizer& quantizer, const SolvedScales& scales) {
  if (!quantizer.enabled) return {quantizer.name, "-", "-", "-", "-", quantizer.rule};
  const SolvedScale& solved = scale_of(scales, quantizer.name);
  return {quantizer.name,
          fmt::format("e4m3 {}", name_of(quantizer.format.scale)),
          calibrator_text(quantizer),
          range_text(solved.amax),
          range_text(solved.scale),
          quantizer.rule};
}

std::string aligned(const std::vector<Row>& rows) {
  std::array<size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    for (size_t i = 0; i + 1 < kColumns; ++i) {
      text += fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    text += row.back() + "\n";
  }
  return text;
}

std::string tower_counts(const Resolved& resolved) {
  std::string text;
  for (const models::Tower tower : {models::Tower::text, models::Tower::image}) {
    Resolved part;
    std::ranges::copy_if(resolved.quantizers, std::back_inserter(part.quantizers),
                         [&](const auto& quantizer) { return quantizer.tower == tower; });
    const QuantizerCount count = count_quantizers(part);
    if (count.total == 0) continue;
    text += fmt::format("{}{} {} of {}", text.empty() ? "" : ", ", models::name_of(tower),
                        count.enabled, count.total);
  }
  return text;
}

OrderedJson entry_of(const ResolvedQuantizer& quantizer, const SolvedScales& scales) {
  OrderedJson entry = {{"name", quantizer.name},
                       {"tower", models::name_of(quantizer.tower)},
                       {"enabled", quantizer.enabled},
                       {"rule", quantizer.rule}};
  if (!quantizer.enabled) return entry;
  const bool per_tensor = quantizer.format.scale == Granularity::per_tensor;
  entry["format"] = "e4m3";
  entry["scale"] = per_tensor ? "per_tensor" : "per_channel";
  entry["calibrator"] = calibrator_text(quantizer);
  const SolvedScale& solved = scale_of(scales, quantizer.name);
  if (!solved.amax.empty()) entry["amax"] = solved.amax;
  if (!solved.scale.empty()) entry["scales"] = solved.scale;
  return entry;
}

}  // namespace

QuantizerCount count_quantizers(const Resolved& resolved) {
  const auto enabled = std::ranges::count_if(resolved.quantizers, &ResolvedQuantizer::enabled);
  return {enabled, static_cast<int64_t>(resolved.quantizers.size())};
}

std::string to_text(const Resolved& resolved, const SolvedScales& scales) {
  std::vector<Row> rows{{"quantizer", "format", "calibrator", "amax", "scale", "rule"}};
  for (const ResolvedQuantizer& quantizer : resolved.quantizers) {
    rows.push_back(row_of(quantizer, scales));
  }
  std::string text = aligned(rows);
  for (const std::string& notice : resolved.notices) text += fmt::format("note: {}\n", notice);
  const QuantizerCount count = count_quantizers(resolved);
  text += fmt::format("recipe {}: {} of {} quantizers enabled ({})\n", resolved.recipe,
                      count.enabled, count.total, tower_counts(resolved));
  return text;
}

OrderedJson to_json(const Resolved& resolved, const SolvedScales& scales) {
  const QuantizerCount count = count_quantizers(resolved);
  OrderedJson quantizers = OrderedJson::array();
  for (const ResolvedQuantizer& quantizer : resolved.quantizers) {
    quantizers.push_back(entry_of(quantizer, scales));
  }
  return {{"recipe", resolved.recipe},
          {"enabled", count.enabled},
          {"total", count.total},
          {"quantizers", std::move(quantizers)},
          {"notices", resolved.notices}};
}

}  // namespace octet::quant
