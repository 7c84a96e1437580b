#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/matrix.h"

namespace octet::cpu {

/// The rows of one attention head inside an interleaved [rows, heads * dim] matrix.
struct HeadRows {
  DType dtype = DType::f32;
  const std::byte* data = nullptr;  ///< first row, first column of the head
  int64_t stride = 0;               ///< bytes from a row to the next
  int64_t count = 0;
  int64_t dim = 0;
};

/// Bytes of one decoded panel of `depth` rows (padded as the kernels want it).
int64_t decoded_panel_bytes(const DotKernels& kernels, int64_t depth);

/// Decodes rows one after the other, `target_stride` bytes apart, padded with zeros along `dim`.
void decode_head_rows(const DotKernels& kernels, const HeadRows& rows, std::byte* target,
                      int64_t target_stride);

/// The keys as panels whose columns are keys and whose depth is `dim`: ceil(count / 32) panels.
/// `scratch` holds 32 decoded rows, `scratch_stride` bytes apart (a multiple of 64).
void pack_keys(const DotKernels& kernels, const HeadRows& keys, std::byte* panels,
               std::byte* scratch, int64_t scratch_stride);

/// The values as panels whose columns are the head's and whose depth is `count`: ceil(dim / 32).
/// `scratch` holds two decoded rows.
void pack_values(const DotKernels& kernels, const HeadRows& values, std::byte* panels,
                 std::byte* scratch, int64_t scratch_stride);

}  // namespace octet::cpu
