// f32 products in Highway: one source for every vector instruction set.
#include <algorithm>
#include <cstring>

#include "cpu/matrix.h"
#include "cpu/packing.h"
#include "cpu/row_tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/matrix_f32.cpp"
#include "hwy/foreach_target.h"
// foreach_target comes first
#include "cpu/codecs-inl.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace octet::cpu {
namespace HWY_NAMESPACE {
namespace {

// Two vectors of columns and as many rows as registers hold: 32 registers take 14 rows, 16 take 6.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_ARCH_ARM_A64
constexpr int kTileRows = 14;
#else
constexpr int kTileRows = 6;
#endif

/// Asks for the cache lines of `bytes` bytes, one or two.
HWY_INLINE void fetch_ahead(const std::byte* from, int64_t bytes) {
  hwy::Prefetch(from);
  if (bytes > 64) hwy::Prefetch(from + 64);
}

/// Sums of `Rows` rows times two vectors of columns, kept in registers over the whole depth.
template <int Rows, bool Ahead>
struct Tile {
  static HWY_INLINE void run(const BlockProduct& block, const float* a, const float* b, float* sums,
                             const std::byte* ahead) {
    const int64_t a_stride = block.row_stride / static_cast<int64_t>(sizeof(float));
    const bool accumulate = block.accumulate;
    const Floats d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    hn::Vec<Floats> left[Rows];
    hn::Vec<Floats> right[Rows];
    for (int row = 0; row < Rows; ++row) {
      left[row] = accumulate ? hn::Load(d, sums + row * kPanelColumns) : hn::Zero(d);
      right[row] = accumulate ? hn::Load(d, sums + row * kPanelColumns + lanes) : hn::Zero(d);
    }
    for (int64_t k = 0; k < block.depth; ++k) {
      if constexpr (Ahead) fetch_ahead(ahead + k * block.ahead_step, block.ahead_step);
      const auto b_left = hn::Load(d, b + k * kPanelColumns);
      const auto b_right = hn::Load(d, b + k * kPanelColumns + lanes);
      for (int row = 0; row < Rows; ++row) {
        const auto factor = hn::Set(d, a[row * a_stride + k]);
        left[row] = hn::MulAdd(factor, b_left, left[row]);
        right[row] = hn::MulAdd(factor, b_right, right[row]);
      }
    }
    for (int row = 0; row < Rows; ++row) {
      hn::Store(left[row], d, sums + row * kPanelColumns);
      hn::Store(right[row], d, sums + row * kPanelColumns + lanes);
    }
  }
};

template <int Rows, bool Ahead>
void multiply_rows(const BlockProduct& block, int64_t first_row) {
  const auto step = static_cast<int64_t>(2 * hn::Lanes(Floats()));
  const auto* a = reinterpret_cast<const float*>(block.rows + first_row * block.row_stride);
  for (int64_t panel = 0; panel < block.panel_count; ++panel) {
    const auto* b = reinterpret_cast<const float*>(block.panels + panel * block.panel_stride);
    float* sums = block.sums + panel * block.sums_stride + first_row * kPanelColumns;
    const std::byte* ahead = Ahead ? block.ahead + panel * block.ahead_stride : nullptr;
    for (int64_t column = 0; column < kPanelColumns; column += step) {
      Tile<Rows, Ahead>::run(block, a, b + column, sums + column, ahead);
    }
  }
}

void multiply(const BlockProduct& block) {
  for_row_tiles<kTileRows>(block.row_count, [&]<int Rows>(int64_t first_row) {
    // What comes next is asked for once, beside the first rows.
    if (block.ahead != nullptr && first_row == 0) {
      multiply_rows<Rows, true>(block, first_row);
    } else {
      multiply_rows<Rows, false>(block, first_row);
    }
  });
}

template <typename Stored>
void decode_elements(const std::byte* source, int64_t count, float* target) {
  map_elements(reinterpret_cast<const Stored*>(source), count, target,
               [](auto value) HWY_ATTR { return value; });
}

void decode_row(DType dtype, const std::byte* source, int64_t count, std::byte* target) {
  auto* floats = reinterpret_cast<float*>(target);
  switch (dtype) {
    case DType::f16:
      return decode_elements<hwy::float16_t>(source, count, floats);
    case DType::bf16:
      return decode_elements<hwy::bfloat16_t>(source, count, floats);
    case DType::f8e4m3:
      return decode_elements<uint8_t>(source, count, floats);
    default:
      std::memcpy(target, source, static_cast<size_t>(count) * sizeof(float));
  }
}

/// Floats of the even and the odd row, from lanes that hold a pair each.
template <class V>
struct Pair {
  V even;
  V odd;
};

template <class D>
HWY_INLINE Pair<hn::Vec<D>> decode_pair(D d, const uint8_t* source) {
  const hn::RebindToUnsigned<D> du;
  const auto* pairs = reinterpret_cast<const uint16_t*>(source);
  const auto codes = hn::PromoteTo(du, hn::LoadU(hn::Rebind<uint16_t, D>(), pairs));
  return {decode_e4m3(d, hn::And(codes, hn::Set(du, 0xFFU))),
          decode_e4m3(d, hn::ShiftRight<8>(codes))};
}

template <class D>
HWY_INLINE Pair<hn::Vec<D>> decode_pair(D d, const hwy::bfloat16_t* source) {
  const hn::RebindToUnsigned<D> du;
  const auto pairs = hn::LoadU(du, reinterpret_cast<const uint32_t*>(source));
  return {hn::BitCast(d, hn::ShiftLeft<16>(pairs)),
          hn::BitCast(d, hn::And(pairs, hn::Set(du, 0xFFFF0000U)))};
}

template <class D>
HWY_INLINE Pair<hn::Vec<D>> decode_pair(D d, const hwy::float16_t* source) {
  const hn::RebindToUnsigned<D> du;
  const auto pairs = hn::LoadU(du, reinterpret_cast<const uint32_t*>(source));
  return {decode_f16(d, hn::And(pairs, hn::Set(du, 0xFFFFU))),
          decode_f16(d, hn::ShiftRight<16>(pairs))};
}

template <typename Stored>
void decode_pairs(const std::byte* packed, int64_t depth, float* target) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto* source = reinterpret_cast<const Stored*>(packed);
  for (int64_t k = 0; k < depth; k += 2) {
    for (int64_t column = 0; column < kPanelColumns; column += lanes) {
      const auto pair = decode_pair(d, source + k * kPanelColumns + 2 * column);
      hn::Store(pair.even, d, target + k * kPanelColumns + column);
      if (k + 1 < depth) hn::Store(pair.odd, d, target + (k + 1) * kPanelColumns + column);
    }
  }
}

void decode_panel(DType dtype, const std::byte* packed, int64_t depth, std::byte* target) {
  auto* floats = reinterpret_cast<float*>(target);
  switch (dtype) {
    case DType::f16:
      return decode_pairs<hwy::float16_t>(packed, depth, floats);
    case DType::bf16:
      return decode_pairs<hwy::bfloat16_t>(packed, depth, floats);
    case DType::f8e4m3:
      return decode_pairs<uint8_t>(packed, depth, floats);
    default:
      std::memcpy(target, packed, static_cast<size_t>(depth * kPanelColumns) * sizeof(float));
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace octet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace octet::cpu {

HWY_EXPORT(multiply);
HWY_EXPORT(decode_row);
HWY_EXPORT(decode_panel);

const DotKernels& f32_kernels() {
  static constexpr std::string_view kReason =
      "decoding takes as many instructions as a row of products";
  static constexpr DotKernels kKernels{
      .format = "f32",
      .reason = kReason,
      .element_bytes = sizeof(float),
      .depth_multiple = 1,
      .group_panels = 4,
      .decode_row =
          [](DType dtype, const std::byte* source, int64_t count, std::byte* target) {
            HWY_DYNAMIC_DISPATCH(decode_row)(dtype, source, count, target);
          },
      .decode_panel =
          [](DType dtype, const std::byte* packed, int64_t depth, std::byte* target) {
            HWY_DYNAMIC_DISPATCH(decode_panel)(dtype, packed, depth, target);
          },
      .multiply =
          [](const BlockProduct& block) {
            HWY_DYNAMIC_DISPATCH(multiply)
            (block);
          }};
  return kKernels;
}

}  // namespace octet::cpu
#endif
