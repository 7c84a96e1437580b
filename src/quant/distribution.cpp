#include "quant/distribution.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace octet::quant {
namespace {

constexpr uint32_t kMagnitude = 0x7FFFFFFFU;
constexpr int kLowBits = 14;  // mantissa bits below a bin's nine
constexpr uint32_t kLowMask = (1U << kLowBits) - 1;
/// Bits of 2^-39 and of the largest float below 2^25: the grid's ends.
constexpr uint32_t kFirstBits = static_cast<uint32_t>(127 - 39) << 23;
constexpr uint32_t kLastBits = (static_cast<uint32_t>(127 + 25) << 23) - 1;
constexpr uint32_t kFirstKey = kFirstBits >> kLowBits;
constexpr size_t kCells = (kLastBits >> kLowBits) - kFirstKey + 1;

}  // namespace

Histogram::Histogram() : cells_(kCells) {}

void Histogram::add(std::span<const float> values) {
  for (const float value : values) {
    const uint32_t magnitude = std::bit_cast<uint32_t>(value) & kMagnitude;
    largest_bits_ = std::max(largest_bits_, magnitude);
    if (magnitude < kFirstBits) {
      ++zeros_;
      continue;
    }
    const uint32_t bits = std::min(magnitude, kLastBits);
    const uint64_t low = bits & kLowMask;
    Cell& cell = cells_[(bits >> kLowBits) - kFirstKey];
    ++cell.count;
    cell.low_sum += low;
    cell.low_squares += low * low;
  }
}

void Histogram::merge(const Histogram& other) {
  for (size_t i = 0; i < kCells; ++i) {
    cells_[i].count += other.cells_[i].count;
    cells_[i].low_sum += other.cells_[i].low_sum;
    cells_[i].low_squares += other.cells_[i].low_squares;
  }
  zeros_ += other.zeros_;
  largest_bits_ = std::max(largest_bits_, other.largest_bits_);
}

void Histogram::clear() {
  std::ranges::fill(cells_, Cell{});
  zeros_ = 0;
  largest_bits_ = 0;
}

Distribution Histogram::distribution() const {
  Distribution result;
  result.zeros = static_cast<double>(zeros_);
  result.largest = std::bit_cast<float>(largest_bits_);
  for (size_t i = 0; i < kCells; ++i) {
    const Cell& cell = cells_[i];
    if (cell.count == 0) continue;
    const uint32_t first = (static_cast<uint32_t>(i) + kFirstKey) << kLowBits;
    const double lower = std::bit_cast<float>(first);
    const double unit = std::ldexp(1.0, static_cast<int>(first >> 23) - 127 - 23);
    const auto count = static_cast<double>(cell.count);
    const double low = unit * static_cast<double>(cell.low_sum);
    const double low_squares = unit * unit * static_cast<double>(cell.low_squares);
    result.bins.push_back({lower, lower + unit * (kLowMask + 1), count, count * lower + low,
                           count * lower * lower + 2 * lower * low + low_squares});
  }
  return result;
}

uint32_t largest_magnitude_bits(std::span<const float> values) {
  // Signed, as the vector units of old processors compare only such integers.
  int32_t largest = 0;
  for (const float value : values) {
    largest = std::max(largest, static_cast<int32_t>(std::bit_cast<uint32_t>(value) & kMagnitude));
  }
  return static_cast<uint32_t>(largest);
}

}  // namespace octet::quant
