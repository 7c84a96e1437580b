// Exact E4M3 products with AMX: TDPBF16PS multiplies tiles of 16 x 32 BF16 values into FP32.
// Compiled for that instruction set (cmake/cpu_kernels.cmake), so nothing here may be visible to
// other translation units but `amx_bf16_kernels`.
#include "cpu/amx_product.h"
#include "cpu/decode_bf16.h"
#include "cpu/matrix_sets.h"

namespace octet::cpu {
namespace {

/// What LDTILECFG reads.
struct alignas(64) TileShapes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileShapes) == 64);

/// The intrinsics want literal register numbers, hence the spelled-out choices.
struct HardwareTiles {
  static void configure(int64_t upper, int64_t lower) {
    TileShapes shapes;
    const auto high = static_cast<uint8_t>(upper);
    const auto low = static_cast<uint8_t>(lower);
    const uint8_t rows[8] = {high, high, low, low, high, low, 16, 16};
    std::memcpy(shapes.rows, rows, sizeof(rows));
    // GCC's intrinsic says that it reads eight bytes; all 64 must be in memory.
    asm volatile("" ::"r"(&shapes) : "memory");
    _tile_loadconfig(&shapes);
  }

  static void release() { _tile_release(); }

  template <int T>
  static void zero() {
    if constexpr (T == 0) _tile_zero(0);
    if constexpr (T == 1) _tile_zero(1);
    if constexpr (T == 2) _tile_zero(2);
    if constexpr (T == 3) _tile_zero(3);
  }

  template <int T>
  static void load(const void* from, int64_t stride) {
    if constexpr (T == 0) _tile_loadd(0, from, stride);
    if constexpr (T == 1) _tile_loadd(1, from, stride);
    if constexpr (T == 2) _tile_loadd(2, from, stride);
    if constexpr (T == 3) _tile_loadd(3, from, stride);
    if constexpr (T == 4) _tile_loadd(4, from, stride);
    if constexpr (T == 5) _tile_loadd(5, from, stride);
  }

  template <int T>
  static void stream(const void* from, int64_t stride) {
    if constexpr (T == 6) _tile_stream_loadd(6, from, stride);
    if constexpr (T == 7) _tile_stream_loadd(7, from, stride);
  }

  template <int Level>
  static void ask(const std::byte* line) {
    __builtin_prefetch(line, 0, 4 - Level);
  }

  template <int T>
  static void store(void* to, int64_t stride) {
    if constexpr (T == 0) _tile_stored(0, to, stride);
    if constexpr (T == 1) _tile_stored(1, to, stride);
    if constexpr (T == 2) _tile_stored(2, to, stride);
    if constexpr (T == 3) _tile_stored(3, to, stride);
  }

  template <int C, int A, int B>
  static void dot() {
    if constexpr (C == 0) _tile_dpbf16ps(0, 4, 6);
    if constexpr (C == 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (C == 2) _tile_dpbf16ps(2, 5, 6);
    if constexpr (C == 3) _tile_dpbf16ps(3, 5, 7);
  }
};

void multiply(const BlockProduct& block) {
  TileProduct<HardwareTiles>(block).run();
}

}  // namespace

const DotKernels& amx_bf16_kernels() {
  static constexpr std::string_view kReason = "tiles are loaded from memory";
  static constexpr DotKernels kKernels{.format = "bf16",
                                       .reason = kReason,
                                       .element_bytes = 2,
                                       .depth_multiple = 32,
                                       .group_panels = 8,
                                       .decode_row = decode_row_bf16,
                                       .decode_panel = decode_panel_bf16<32>,
                                       .multiply = multiply};
  return kKernels;
}

}  // namespace octet::cpu
