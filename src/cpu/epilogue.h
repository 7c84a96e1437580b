#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cpu/look_ups.h"
#include "cpu/packing.h"
#include "tensor/dtype.h"

namespace octet::cpu {

enum class Activation { none, quick_gelu, gelu, gelu_tanh, sigmoid };

/// From a node's attribute; throws `Error(bad_input)` for an unknown name.
Activation activation_from_name(std::string_view name);

/// E4M3 codes by the bits of an FP16 number: what stands behind the bias, when steps are rounded to
/// FP16, decides everything that follows, so it is computed once for each such number. Aligned,
/// because vectors gather it by words.
struct alignas(64) CodeTable : std::array<uint8_t, 1 << 16> {};

/// What happens to the sums of a product on their way to memory:
///   out[m, n] = store(act(alpha[n] * (scale[n] * sum[m, n] + bias[n])) + residual[m, n])
/// where store rounds to f16, or to the E4M3 code of y / out_scale[n]. With `f16_steps` every step
/// is rounded to FP16, as the graph that it stands for does.
struct Epilogue {
  const float* scale = nullptr;  ///< [columns up to a multiple of 32], aligned to 64
  const float* bias = nullptr;   ///< likewise, or null
  const float* alpha = nullptr;  ///< likewise, or null: all 1
  Activation activation = Activation::none;
  const std::byte* residual = nullptr;  ///< [rows][columns], rows `stride` apart, or null
  DType residual_dtype = DType::f32;    ///< f32 or f16
  std::byte* out = nullptr;             ///< [rows][columns], rows `stride` apart
  DType out_dtype = DType::f32;         ///< f32, f16 or f8e4m3
  const float* out_scale = nullptr;     ///< as `scale`; only read for f8e4m3
  const float* out_inverse = nullptr;   ///< 1 / out_scale
  bool f16_steps = false;
  /// For each panel of 32 columns the codes of all its columns, or null where they differ; null
  /// when there are none.
  const CodeTable* const* tables = nullptr;
  int64_t columns = 0;
  int64_t stride = 0;  ///< elements from a row of `out` and of `residual` to the next

  /// The table of the panel whose first column is `first_column`, or null.
  [[nodiscard]] const CodeTable* table(int64_t first_column) const {
    return tables == nullptr ? nullptr : tables[first_column / kPanelColumns];
  }
};

/// The codes of column `column` of an epilogue with `f16_steps` and an f8e4m3 output, without a
/// residual.
void fill_code_table(const Epilogue& epilogue, int64_t column, CodeTable& table);

/// Finishes `count` rows from `first_row` on of the panel whose first column is `first_column`.
/// `sums` is [count][32], aligned to 64.
void finish_rows(const Epilogue& epilogue, int64_t first_row, int64_t count, int64_t first_column,
                 const float* sums);

/// The same of a whole panel that has a table, but for the look-ups. `indices` is [count][32] and
/// is read by them.
LookUps finish_to_indices(const Epilogue& epilogue, int64_t first_row, int64_t count,
                          int64_t first_column, const float* sums, uint16_t* indices);

}  // namespace octet::cpu
