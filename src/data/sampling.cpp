#include <algorithm>

#include "data/dataset.h"

namespace octet::data {
namespace {

/// SplitMix64 (Steele, Lea, Flood, 2014): its sequence is fixed, unlike a library's.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t value = state_ += 0x9E3779B97F4A7C15;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
    return value ^ (value >> 31);
  }

  /// Below `bound`, uniform up to bound / 2^64.
  uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }

 private:
  uint64_t state_;
};

}  // namespace

std::vector<int64_t> sample_indices(int64_t size, int64_t count, uint64_t seed) {
  std::vector<int64_t> chosen;
  SplitMix64 random(seed);
  int64_t wanted = std::clamp<int64_t>(count, 0, size);
  // Selection sampling: each index is taken with the probability that keeps all choices equal.
  for (int64_t i = 0; wanted > 0; ++i) {
    if (static_cast<int64_t>(random.below(static_cast<uint64_t>(size - i))) >= wanted) continue;
    chosen.push_back(i);
    --wanted;
  }
  return chosen;
}

}  // namespace octet::data
