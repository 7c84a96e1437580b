#include "tools/octet/numbers.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

namespace octet::cli {
namespace {

std::optional<double> number_of(const std::string& word) {
  char* end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  if (word.empty() || *end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value;
}

CLI::Validator number(bool (*holds)(double), std::string_view wanted, const std::string& name) {
  const auto refusal = [holds, wanted](const std::string& word) -> std::string {
    const auto value = number_of(word);
    if (value && holds(*value)) return {};
    return fmt::format("'{}' is not {}", word, wanted);
  };
  return {[refusal](std::string& word) { return refusal(word); }, name};
}

}  // namespace

CLI::Validator positive() {
  return number([](double value) { return value > 0; }, "a number above 0", "POSITIVE");
}

CLI::Validator not_negative() {
  return number([](double value) { return value >= 0; }, "0 or a number above it", "NONNEGATIVE");
}

}  // namespace octet::cli
