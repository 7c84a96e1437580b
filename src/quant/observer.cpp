#include "quant/observer.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/threads.h"

namespace octet::quant {
namespace {

constexpr int64_t kGrain = 1 << 16;  // values that are worth a thread

/// Calls `body(part, values)` for stretches of the values, one for each thread at most.
void for_each_part(std::span<const float> values, size_t parts,
                   const std::function<void(size_t part, std::span<const float>)>& body) {
  const size_t length = (values.size() + parts - 1) / std::max<size_t>(parts, 1);
  parallel_for(static_cast<int64_t>(parts), 1, [&](int64_t begin, int64_t end) {
    for (auto part = static_cast<size_t>(begin); part < static_cast<size_t>(end); ++part) {
      const size_t first = std::min(values.size(), part * length);
      body(part, values.subspan(first, std::min(length, values.size() - first)));
    }
  });
}

size_t part_count(size_t values) {
  const auto wanted = static_cast<int64_t>(values) / kGrain + 1;
  return static_cast<size_t>(std::min<int64_t>(wanted, thread_count()));
}

uint32_t largest_bits_of(std::span<const float> values) {
  std::vector<uint32_t> largest(part_count(values.size()));
  for_each_part(values, largest.size(), [&](size_t part, std::span<const float> stretch) {
    largest[part] = largest_magnitude_bits(stretch);
  });
  return *std::ranges::max_element(largest);
}

}  // namespace

void Observer::want_distribution(const std::string& name) {
  if (!seen_[name].histogram) seen_[name].histogram.emplace();
}

void Observer::see(const std::string& name, std::span<const float> values) {
  Seen& seen = seen_[name];
  const uint32_t largest = largest_bits_of(values);
  if (largest >= kInfinityBits) {
    fail(ErrorCode::failed,
         "calibration: what '{}' looks at holds NaN or infinity; the model overflows on this data, "
         "or its weights are damaged",
         name);
  }
  seen.any = true;
  seen.largest_bits = std::max(seen.largest_bits, largest);
  if (seen.histogram) add_to(*seen.histogram, values);
}

void Observer::add_to(Histogram& histogram, std::span<const float> values) {
  const size_t parts = part_count(values.size());
  if (parts == 1) return histogram.add(values);
  if (parts_.size() < parts) parts_.resize(parts);
  for_each_part(values, parts,
                [&](size_t part, std::span<const float> stretch) { parts_[part].add(stretch); });
  for (size_t part = 0; part < parts; ++part) {
    histogram.merge(parts_[part]);
    parts_[part].clear();
  }
}

float Observer::solve(const std::string& name, const Calibrator& calibrator) const {
  const auto found = seen_.find(name);
  if (found == seen_.end() || !found->second.any) {
    fail(ErrorCode::failed, "calibration: '{}' saw no data", name);
  }
  if (calibrator.method == CalibrationMethod::max) {
    return std::bit_cast<float>(found->second.largest_bits);
  }
  check(found->second.histogram.has_value(), "no distribution of '{}'", name);
  return solve_amax(calibrator, found->second.histogram->distribution());
}

}  // namespace octet::quant
