#include "quant/calibrator.h"

#include <array>
#include <charconv>

#include "base/error.h"

namespace octet::quant {
namespace {

constexpr std::array<std::string_view, 4> kNames{"max", "percentile", "entropy", "mse"};

double parse_percentile(std::string_view text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || !(value > 0) ||
      value > 100) {
    fail(ErrorCode::usage, "'{}' is no percentile; give a number above 0 and at most 100", text);
  }
  return value;
}

}  // namespace

Calibrator parse_calibrator(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  Calibrator calibrator;
  const auto* found = std::ranges::find(kNames, name);
  if (found == kNames.end()) {
    fail(ErrorCode::usage, "there is no calibrator '{}'; there are {}", name,
         fmt::join(kNames, ", "));
  }
  calibrator.method = static_cast<CalibrationMethod>(found - kNames.begin());
  if (colon == std::string_view::npos) return calibrator;
  if (calibrator.method != CalibrationMethod::percentile) {
    fail(ErrorCode::usage, "calibrator '{}' takes no number", name);
  }
  calibrator.percentile = parse_percentile(text.substr(colon + 1));
  return calibrator;
}

std::string to_string(const Calibrator& calibrator) {
  const std::string_view name = kNames.at(static_cast<size_t>(calibrator.method));
  if (calibrator.method != CalibrationMethod::percentile) return std::string(name);
  return fmt::format("{}:{}", name, calibrator.percentile);
}

float solve_amax(const Calibrator& calibrator, const Distribution& seen) {
  switch (calibrator.method) {
    case CalibrationMethod::percentile:
      return solve_percentile(seen, calibrator.percentile);
    case CalibrationMethod::entropy:
      return solve_entropy(seen);
    case CalibrationMethod::mse:
      return solve_mse(seen);
    default:
      return solve_max(seen);
  }
}

}  // namespace octet::quant
