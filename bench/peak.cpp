#include "bench/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/peak.cpp"
#include "hwy/foreach_target.h"
// foreach_target comes first
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace octet::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Runs `steps` rounds of 12 independent multiply-adds; returns their floating-point operations.
double multiply_adds(int64_t steps) {
  const hn::ScalableTag<float> d;
  hn::Vec<decltype(d)> sums[12];
  for (auto& sum : sums) sum = hn::Set(d, 1e-3F);
  const auto factor = hn::Set(d, 0.999F);
  const auto term = hn::Set(d, 1e-4F);
  for (int64_t step = 0; step < steps; ++step) {
    for (auto& sum : sums) sum = hn::MulAdd(sum, factor, term);
  }
  auto total = sums[0];
  for (auto& sum : sums) total = hn::Add(total, sum);
  const bool used = hn::GetLane(total) != 0.0F;
  return used ? static_cast<double>(steps * 24) * static_cast<double>(hn::Lanes(d)) : 0.0;
}

}  // namespace HWY_NAMESPACE
}  // namespace octet::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#if HWY_ARCH_X86_64
#include <immintrin.h>
#endif

namespace octet::bench {
namespace {

HWY_EXPORT(multiply_adds);

#if HWY_ARCH_X86_64
__attribute__((target("avx512f,avx512bw,avx512bf16"))) double bf16_dots(int64_t steps) {
  __m512 sums[12];
  for (auto& sum : sums) sum = _mm512_set1_ps(1e-3F);
  const auto a = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3F7F));
  const auto b = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3A80));
  for (int64_t step = 0; step < steps; ++step) {
    for (auto& sum : sums) sum = _mm512_dpbf16_ps(sum, a, b);
  }
  auto total = sums[0];
  for (auto& sum : sums) total = _mm512_add_ps(total, sum);
  return _mm512_cvtss_f32(total) != 0.0F ? static_cast<double>(steps * 12 * 64) : 0.0;
}

struct alignas(64) TileShapes {
  uint8_t palette = 1;
  uint8_t start = 0;
  uint8_t unused[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

__attribute__((target("amx-tile,amx-bf16"))) double tile_dots(int64_t steps) {
  // In static memory: GCC's intrinsic says that it reads eight bytes, so of a local the rest may
  // never be written.
  static constexpr TileShapes kShapes;
  _tile_loadconfig(&kShapes);
  for (int64_t step = 0; step < steps; ++step) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return static_cast<double>(steps) * 4 * 16 * 16 * 32 * 2;
}
#endif

struct Measured {
  double flops;
  double seconds;
};

/// One measurement with every thread; `work` does some steps and returns their operations.
Measured measure(int64_t steps, double (*work)(int64_t)) {
  using Clock = std::chrono::steady_clock;
  std::atomic<double> flops = 0.0;
  const auto start = Clock::now();
  parallel_for(thread_count(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) flops += work(steps);
  });
  return {flops, std::chrono::duration<double>(Clock::now() - start).count()};
}

/// The best of several measurements.
double best_rate(int64_t steps, double (*work)(int64_t)) {
  double best = 0.0;
  for (int repeat = 0; repeat < 7; ++repeat) {
    const Measured measured = measure(steps, work);
    best = std::max(best, measured.flops / measured.seconds);
  }
  return best;
}

double f32_steps(int64_t steps) {
  return HWY_DYNAMIC_DISPATCH(multiply_adds)(steps);
}

/// What a set multiplies E4M3 values with, and steps for a measurement of some 20 ms.
struct Instructions {
  double (*work)(int64_t);
  int64_t steps;
};

Instructions instructions_of(std::string_view set) {
#if HWY_ARCH_X86_64
  if (set == "avx512-bf16") return {bf16_dots, 4'000'000};
  if (set == "amx-bf16") return {tile_dots, 1'000'000};
#endif
  return {f32_steps, 4'000'000};
}

}  // namespace

double f32_peak() {
  return best_rate(4'000'000, f32_steps);
}

double e4m3_peak(std::string_view set) {
  if (set.empty()) return 0.0;
  const auto [work, steps] = instructions_of(set);
  return best_rate(steps, work);
}

double e4m3_floor(std::string_view set, double flops) {
  const auto work = instructions_of(set).work;
  const double flops_of_step = work(1000) / 1000.0;
  const double steps = flops / flops_of_step / static_cast<double>(thread_count());
  return measure(static_cast<int64_t>(steps), work).seconds;
}

}  // namespace octet::bench
#endif
