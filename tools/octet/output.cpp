#include "tools/octet/output.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace octet::cli {
namespace {

/// Code points, not bytes: what a terminal shows of UTF-8 without wide characters.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char byte) { return (byte & '\xC0') != '\x80'; }));
}

/// "0.7617", "+0.33", "292.0 MiB"; "-" and nothing stand for a number that is not there.
bool is_number(std::string_view cell) {
  if (cell.starts_with('+') || cell.starts_with('-')) cell.remove_prefix(1);
  return cell.empty() || std::isdigit(static_cast<unsigned char>(cell.front())) != 0;
}

std::string pad(std::string_view cell, size_t width, bool right) {
  const std::string space(width - width_of(cell), ' ');
  return right ? space + std::string(cell) : std::string(cell) + space;
}

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

}  // namespace

void print_text(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print_json(const OrderedJson& document) {
  print_text(document.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
}

void flush_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  fail(ErrorCode::failed, "cannot write to standard output: {}", std::strerror(errno));
}

Table::Table(std::vector<std::string> heading) {
  rows_.push_back(std::move(heading));
}

void Table::add_row(std::vector<std::string> cells) {
  check(cells.size() == rows_.front().size(), "{} cells for {} columns", cells.size(),
        rows_.front().size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  const size_t columns = rows_.front().size();
  std::vector<size_t> widths(columns, 0);
  std::vector<bool> right(columns, rows_.size() > 1);
  for (size_t row = 0; row < rows_.size(); ++row) {
    for (size_t column = 0; column < columns; ++column) {
      const std::string& cell = rows_[row][column];
      widths[column] = std::max(widths[column], width_of(cell));
      if (row > 0 && !is_number(cell)) right[column] = false;
    }
  }
  std::string text;
  size_t total = 0;
  for (const size_t width : widths) total += width + 2;
  for (size_t row = 0; row < rows_.size(); ++row) {
    std::string line;
    for (size_t column = 0; column < columns; ++column) {
      line += pad(rows_[row][column], widths[column], right[column]) + "  ";
    }
    text += trimmed(std::move(line));
    if (row == 0) text += std::string(total - 2, '-') + '\n';
  }
  return text;
}

std::string size_text(uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024.0 && unit + 1 < kUnits.size(); ++unit) value /= 1024.0;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace octet::cli
