#include "cpu/softmax.h"

#include <limits>

#include "cpu/packing.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/softmax.cpp"
#include "hwy/foreach_target.h"
// foreach_target comes first
#include "cpu/codecs-inl.h"
#include "cpu/exp-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace octet::cpu {
namespace HWY_NAMESPACE {
namespace {

/// Where the score of key `key` of a row lies.
HWY_INLINE float* score_at(const SoftmaxBlock& block, int64_t row, int64_t key) {
  return block.scores + key / kPanelColumns * block.panel_stride + row * kPanelColumns +
         key % kPanelColumns;
}

/// Scores as the graph has them: multiplied by the factor, rounded where the graph is in FP16.
template <class D>
HWY_INLINE hn::Vec<D> scaled_scores(D d, const SoftmaxBlock& block, const float* scores) {
  const auto scaled = hn::Mul(hn::Load(d, scores), hn::Set(d, block.factor));
  return block.f16_steps ? round_to_f16(d, scaled) : scaled;
}

/// Scales the row's scores in place and returns the largest. Lanes beyond `keys` do not count.
HWY_INLINE float scale_scores(const SoftmaxBlock& block, int64_t row, int64_t keys) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto largest = lowest;
  for (int64_t key = 0; key < keys; key += lanes) {
    float* scores = score_at(block, row, key);
    auto score = scaled_scores(d, block, scores);
    hn::Store(score, d, scores);
    if (key + lanes > keys) {
      score = hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(keys - key)), score, lowest);
    }
    largest = hn::Max(largest, score);
  }
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

/// Replaces scores by exponentials (zero beyond `keys`); returns their sum.
HWY_INLINE float exponentials(const SoftmaxBlock& block, int64_t row, int64_t keys, float largest) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto shift = hn::Set(d, largest);
  auto sum = hn::Zero(d);
  for (int64_t key = 0; key < keys; key += lanes) {
    float* score = score_at(block, row, key);
    auto e = exp_of(d, hn::Sub(hn::Load(d, score), shift));
    if (key + lanes > keys) {
      e = hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(keys - key)), e);
    }
    hn::Store(e, d, score);
    sum = hn::Add(sum, e);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

template <class V>
HWY_INLINE void store_probability(V p, const SoftmaxBlock& block, std::byte* row, int64_t key) {
  const Floats d;
  const hn::RebindToUnsigned<Floats> du;
  const hn::Rebind<uint16_t, Floats> du16;
  if (block.out_bf16) {
    const auto high = hn::ShiftRight<16>(hn::BitCast(du, p));
    hn::StoreU(hn::TruncateTo(du16, high), du16, reinterpret_cast<uint16_t*>(row) + key);
  } else {
    hn::StoreU(p, d, reinterpret_cast<float*>(row) + key);
  }
}

/// The E4M3 value nearest to `value`, which is not negative. NaN stays NaN.
template <class D, class V>
HWY_INLINE V nearest_e4m3(D d, V value) {
  const hn::RebindToSigned<D> di;
  const auto largest = hn::Set(d, 448.0F);
  const auto capped = hn::IfThenElse(hn::Gt(value, largest), largest, value);
  // Adding 2^20 times the value's power of two (the smallest of a normal number is 2^-6) puts the
  // unit of the last place at that of E4M3, so the hardware rounds.
  const auto at_least = hn::BitCast(di, hn::Max(capped, hn::Set(d, 0x1p-6F)));
  const auto power = hn::And(at_least, hn::Set(di, 0x7F800000));
  const auto aligned = hn::BitCast(d, hn::Add(power, hn::Set(di, 20 << 23)));
  return hn::Sub(hn::Add(capped, aligned), aligned);
}

HWY_INLINE void probabilities(const SoftmaxBlock& block, int64_t row, int64_t keys, float sum) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto total = hn::Set(d, sum);
  const auto part = hn::Set(d, 1.0F / sum);
  const auto quantum = hn::Set(d, block.quantum);
  const auto quanta = hn::Set(d, 1.0F / block.quantum);
  std::byte* out = block.out + row * block.out_stride;
  int64_t key = 0;
  for (; key < keys; key += lanes) {
    auto p = quotient(d, hn::Load(d, score_at(block, row, key)), total, part);
    if (block.f16_steps) p = round_to_f16(d, p);
    if (block.quantum != 0.0F) p = nearest_e4m3(d, quotient(d, p, quantum, quanta));
    store_probability(p, block, out, key);
  }
  for (; key < block.width; key += lanes) store_probability(hn::Zero(d), block, out, key);
}

void softmax(const SoftmaxBlock& block) {
  for (int64_t row = 0; row < block.rows; ++row) {
    const int64_t keys = block.keys + row * block.more_keys;
    const float sum = exponentials(block, row, keys, scale_scores(block, row, keys));
    probabilities(block, row, keys, sum);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace octet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace octet::cpu {

HWY_EXPORT(softmax);

void softmax_rows(const SoftmaxBlock& block) {
  HWY_DYNAMIC_DISPATCH(softmax)(block);
}

}  // namespace octet::cpu
#endif
