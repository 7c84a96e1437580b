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

/// The row's largest scaled score. Lanes beyond `keys` do not count.
HWY_INLINE float largest_score(const SoftmaxBlock& block, int64_t row, int64_t keys) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto largest = lowest;
  for (int64_t key = 0; key < keys; key += lanes) {
    auto score = scaled_scores(d, block, score_at(block, row, key));
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
    auto e = exp_of(d, hn::Sub(scaled_scores(d, block, score), shift));
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

HWY_INLINE void probabilities(const SoftmaxBlock& block, int64_t row, int64_t keys, float sum) {
  const Floats d;
  const hn::RebindToUnsigned<Floats> du;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto total = hn::Set(d, sum);
  const auto quantum = hn::Set(d, block.quantum);
  std::byte* out = block.out + row * block.out_stride;
  int64_t key = 0;
  for (; key < keys; key += lanes) {
    auto p = hn::Div(hn::Load(d, score_at(block, row, key)), total);
    if (block.f16_steps) p = round_to_f16(d, p);
    if (block.quantum != 0.0F) {
      const auto codes = encode_e4m3(d, hn::Div(p, quantum));
      p = decode_e4m3(d, hn::BitCast(du, codes));
    }
    store_probability(p, block, out, key);
  }
  for (; key < block.width; key += lanes) store_probability(hn::Zero(d), block, out, key);
}

void softmax(const SoftmaxBlock& block) {
  for (int64_t row = 0; row < block.rows; ++row) {
    const int64_t keys = block.keys + row * block.more_keys;
    const float sum = exponentials(block, row, keys, largest_score(block, row, keys));
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
