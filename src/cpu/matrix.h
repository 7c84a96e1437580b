#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "cpu/look_ups.h"
#include "tensor/dtype.h"

namespace octet::cpu {

/// Sums of products of a block: rows times panels of 32 columns, both decoded to one number format.
struct BlockProduct {
  const std::byte* rows = nullptr;  ///< [row_count][depth], row after row
  int64_t row_stride = 0;           ///< bytes from a row to the next
  int64_t row_count = 0;
  const std::byte* panels = nullptr;  ///< [panel_count] panels, as `decode_panel` writes them
  int64_t panel_stride = 0;           ///< bytes from a panel to the next
  int64_t panel_count = 0;
  int64_t depth = 0;      ///< a multiple of the kernels' depth_multiple
  float* sums = nullptr;  ///< [panel_count][row_count][32], panels `sums_stride` floats apart
  int64_t sums_stride = 0;
  bool accumulate = false;  ///< adds to `sums`; otherwise overwrites them
  /// What will be read next, for kernels that fetch it into the cache while they multiply: for each
  /// panel `ahead_step` bytes for each element of `depth`, panels `ahead_stride` apart. Or null.
  const std::byte* ahead = nullptr;
  int64_t ahead_step = 0;
  int64_t ahead_stride = 0;
  /// What kernels with `looks_up` may do on the way. Or null.
  PendingLookUps* look_ups = nullptr;
};

/// Products in one number format. Every sum runs over K in ascending order in FP32, whatever the
/// block's extents, so results never depend on how a product is cut into blocks.
struct DotKernels {
  std::string_view format;  ///< "bf16"
  std::string_view reason;  ///< why E4M3 weights are decoded where they are, for `--explain`
  int64_t element_bytes;    ///< of the format: 4 (f32) or 2 (bf16)
  int64_t depth_multiple;   ///< rows and panels are padded along K to this with zeros
  int64_t group_panels;     ///< of a group that is multiplied in one go, by the second-level cache
  /// `count` consecutive elements of a dtype into the format.
  void (*decode_row)(DType dtype, const std::byte* source, int64_t count, std::byte* target);
  /// `depth` rows of one packed panel (packing.h) into the format: f32 [depth][32], bf16
  /// [depth / 2][32][2]. Pads to `depth_multiple`.
  void (*decode_panel)(DType dtype, const std::byte* packed, int64_t depth, std::byte* target);
  void (*multiply)(const BlockProduct& block);
  /// The same on panels of packed E4M3 codes as they lie in the plan, decoded in registers; null
  /// where a panel is better decoded into a buffer first.
  void (*multiply_codes)(const BlockProduct& block) = nullptr;
  bool looks_up = false;  ///< the kernels do pending look-ups between their products
};

/// One way of multiplying matrices, made for a sort of processor.
struct MatrixSet {
  std::string_view name;  ///< "avx512-bf16"; what OCTET_CPU_KERNELS and `octet version` say
  std::string_view meaning;
  bool (*available)();          ///< on this processor, under this operating system
  const DotKernels& (*bf16)();  ///< exact products of E4M3 and BF16 values; null: done in f32
};

/// Every set this build knows, in order of preference.
std::span<const MatrixSet> matrix_sets();

/// The set in use: what OCTET_CPU_KERNELS names, else the first available one. Chosen at the first
/// call. Throws `Error(usage)` for an unknown name and `Error(device_unavailable)` for a set that
/// this machine does not have.
const MatrixSet& matrix_set();

/// For tests and benchmarks: kernels loaded from now on use this set; empty goes back to the knob.
void force_matrix_set(std::string_view name);

/// f32 products, for every processor.
const DotKernels& f32_kernels();
/// What multiplies rows of dtype `x` with weights of dtype `w` exactly.
const DotKernels& dot_kernels(const MatrixSet& set, DType x, DType w);

}  // namespace octet::cpu
