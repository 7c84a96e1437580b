// Exact E4M3 products with AVX512-BF16: VDPBF16PS adds two products per lane in FP32.
// Compiled for that instruction set (cmake/cpu_kernels.cmake), so nothing here may be visible to
// other translation units but `avx512_bf16_kernels`.
#include "cpu/decode_bf16.h"
#include "cpu/matrix_sets.h"
#include "cpu/row_tiles.h"

namespace octet::cpu {
namespace {

/// 14 rows of two vectors, the panel's two vectors and one broadcast fill 31 of 32 registers.
constexpr int kTileRows = 14;
/// Depth in which a row of look-ups is done, one for each pair.
constexpr int64_t kStretch = 2 * LookUps::kColumns;

__m512bh broadcast_pair(const std::byte* pair) {
  int32_t bits = 0;
  std::memcpy(&bits, pair, sizeof(bits));
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(bits));
}

__m512bh load_pairs(const std::byte* pairs) {
  return reinterpret_cast<__m512bh>(_mm512_load_si512(pairs));
}

/// The two vectors of pairs of a decoded panel.
struct DecodedPanel {
  const std::byte* pairs;

  void load(int64_t k, __m512bh& left, __m512bh& right) const {
    left = load_pairs(pairs + k * 2 * kPanelColumns);
    right = load_pairs(pairs + k * 2 * kPanelColumns + 64);
  }
};

/// The same of a panel of codes.
struct CodesPanel {
  const std::byte* codes;
  Decoder decoder;

  void load(int64_t k, __m512bh& left, __m512bh& right) const {
    __m512i first;
    __m512i second;
    decoder.decode(_mm512_load_si512(codes + k * kPanelColumns), first, second);
    left = reinterpret_cast<__m512bh>(first);
    right = reinterpret_cast<__m512bh>(second);
  }
};

// What is done beside the products of each pair, where it costs nothing. `next` is called after
// every kColumns pairs.

struct Nothing {
  void beside(int64_t /*k*/, int64_t /*pair*/) const {}
  void next() {}
};

/// Asks for a cache line of what comes next.
struct FetchAhead {
  const std::byte* ahead;
  int64_t step;

  void beside(int64_t k, int64_t /*pair*/) const { _mm_prefetch(ahead + k * step, _MM_HINT_T1); }
  void next() {}
};

/// Looks up one element, the last row again and again when there are no more.
struct LookUp {
  LookUps rows;

  void beside(int64_t /*k*/, int64_t pair) const {
    rows.out[pair] = rows.table[rows.indices[pair]];
  }
  void next() {
    if (--rows.rows <= 0) return;
    rows.indices += LookUps::kColumns;
    rows.out += rows.stride;
  }
};

/// `Rows` rows times one panel, sums kept in registers over the whole depth.
template <int Rows, typename Panel, typename Side>
void multiply_tile(const BlockProduct& block, const std::byte* a, const Panel& panel, float* sums,
                   Side side) {
  const int64_t a_stride = block.row_stride;
  const bool accumulate = block.accumulate;
  __m512 left[Rows];
  __m512 right[Rows];
#pragma GCC unroll 14
  for (int row = 0; row < Rows; ++row) {
    left[row] = accumulate ? _mm512_load_ps(sums + row * kPanelColumns) : _mm512_setzero_ps();
    right[row] = accumulate ? _mm512_load_ps(sums + row * kPanelColumns + 16) : _mm512_setzero_ps();
  }
  for (int64_t first = 0; first < block.depth; first += kStretch) {
    const int64_t rest = (block.depth - first) / 2;
    const int64_t pairs = rest < LookUps::kColumns ? rest : LookUps::kColumns;
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const int64_t k = first + 2 * pair;
      side.beside(k, pair);
      __m512bh b_left;
      __m512bh b_right;
      panel.load(k, b_left, b_right);
#pragma GCC unroll 14
      for (int row = 0; row < Rows; ++row) {
        const __m512bh factor = broadcast_pair(a + row * a_stride + k * 2);
        left[row] = _mm512_dpbf16_ps(left[row], factor, b_left);
        right[row] = _mm512_dpbf16_ps(right[row], factor, b_right);
      }
    }
    side.next();
  }
#pragma GCC unroll 14
  for (int row = 0; row < Rows; ++row) {
    _mm512_store_ps(sums + row * kPanelColumns, left[row]);
    _mm512_store_ps(sums + row * kPanelColumns + 16, right[row]);
  }
}

/// Look-ups for one tile, none where its depth would leave a row unfinished.
LookUps take_look_ups(const BlockProduct& block) {
  if (block.look_ups == nullptr || block.depth % kStretch != 0) return {};
  return block.look_ups->take(block.depth / kStretch);
}

template <int Rows, typename Panel>
void multiply_rows(const BlockProduct& block, int64_t first_row) {
  const std::byte* a = block.rows + first_row * block.row_stride;
  // What comes next is asked for once, beside the first rows.
  const bool asks = block.ahead != nullptr && first_row == 0;
  for (int64_t index = 0; index < block.panel_count; ++index) {
    const Panel panel{block.panels + index * block.panel_stride};
    float* sums = block.sums + index * block.sums_stride + first_row * kPanelColumns;
    if (asks) {
      const FetchAhead side{block.ahead + index * block.ahead_stride, block.ahead_step};
      multiply_tile<Rows>(block, a, panel, sums, side);
    } else if (const LookUps rows = take_look_ups(block); rows.rows > 0) {
      multiply_tile<Rows>(block, a, panel, sums, LookUp{rows});
    } else {
      multiply_tile<Rows>(block, a, panel, sums, Nothing{});
    }
  }
}

template <typename Panel>
void multiply_panels(const BlockProduct& block) {
  for_row_tiles<kTileRows>(block.row_count, [&]<int Rows>(int64_t first_row) {
    multiply_rows<Rows, Panel>(block, first_row);
  });
}

}  // namespace

const DotKernels& avx512_bf16_kernels() {
  // Decoding shares no execution port with the products, so decoding every panel anew for every
  // tile of rows costs less than reading decoded panels, twice as large, from the second-level
  // cache.
  static constexpr std::string_view kReason =
      "measured: 19 % less time than from a buffer for 12 rows, 4 % for 257";
  static constexpr DotKernels kKernels{.format = "bf16",
                                       .reason = kReason,
                                       .element_bytes = 2,
                                       .depth_multiple = 2,
                                       .group_panels = 4,
                                       .decode_row = decode_row_bf16,
                                       .decode_panel = decode_panel_bf16<2>,
                                       .multiply = multiply_panels<DecodedPanel>,
                                       .multiply_codes = multiply_panels<CodesPanel>,
                                       .looks_up = true};
  static_assert(kKernels.group_panels <= PendingLookUps::kMost);
  return kKernels;
}

}  // namespace octet::cpu
