#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace octet::quant {

/// Magnitudes that fell between `lower` and `upper`, with their exact moments.
struct Bin {
  double lower = 0;
  double upper = 0;
  double count = 0;
  double sum = 0;
  double squares = 0;

  [[nodiscard]] double mean() const { return sum / count; }
};

/// The magnitudes of a tensor as bins in ascending order, none of them empty.
struct Distribution {
  std::vector<Bin> bins;  ///< without the zeros
  double zeros = 0;       ///< how many values were zero, or too small to count as anything else
  float largest = 0;      ///< the largest magnitude, exactly
};

/// Counts magnitudes on a fixed grid: a bin is an exponent and the nine highest bits of the
/// mantissa, 64 bins for each step of E4M3. Besides its count a bin keeps the integer sum and sum
/// of squares of the mantissa bits below, so everything is exact and the order of values, batches
/// and merges makes no difference.
class Histogram {
 public:
  Histogram();

  /// Values must be finite; those beyond 2^25, for which there is no FP16 scale, count as 2^25.
  void add(std::span<const float> values);
  void merge(const Histogram& other);
  void clear();
  [[nodiscard]] Distribution distribution() const;

 private:
  struct Cell {
    uint64_t count = 0;
    uint64_t low_sum = 0;
    uint64_t low_squares = 0;
  };
  std::vector<Cell> cells_;
  uint64_t zeros_ = 0;
  uint32_t largest_bits_ = 0;
};

/// Bits of the largest magnitude; 0x7F800000 and above mean that infinity or NaN is among the
/// values.
uint32_t largest_magnitude_bits(std::span<const float> values);
inline constexpr uint32_t kInfinityBits = 0x7F800000U;

}  // namespace octet::quant
