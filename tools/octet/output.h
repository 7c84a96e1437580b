#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace octet::cli {

/// Writes to stdout. `flush_output` tells whether it arrived.
void print_text(std::string_view text);

template <typename... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  print_text(fmt::format(format, std::forward<Args>(args)...));
}

/// The document of --json: indented by two, with a line end.
void print_json(const OrderedJson& document);

/// Throws `Error(failed)` when stdout did not take everything (a full disk behind a redirection).
void flush_output();

/// A table for people: columns as wide as their widest cell, those of numbers aligned right.
class Table {
 public:
  explicit Table(std::vector<std::string> heading);
  /// As many cells as the heading has.
  void add_row(std::vector<std::string> cells);
  /// Heading, a rule, the rows; every line ends with a newline.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;  ///< the heading first
};

/// "1.5 MiB": bytes with a binary unit and at most one decimal.
std::string size_text(uint64_t bytes);

}  // namespace octet::cli
