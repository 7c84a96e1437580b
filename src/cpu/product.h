#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "cpu/epilogue.h"
#include "cpu/matrix.h"
#include "cpu/packing.h"

namespace octet::cpu {

/// Rows of a left operand in a kernels' number format, each padded so that the rows of a tile
/// spread evenly over the sets of the first-level cache.
struct PreparedRows {
  std::byte* data = nullptr;
  int64_t stride = 0;  ///< bytes from a row to the next
  int64_t count = 0;
};

/// A matrix product with packed weights: how it is blocked and where its scratch lies. Made once
/// per node; thread-safe.
class Product {
 public:
  /// `x` is the dtype of the rows; `weights` must outlive the product.
  Product(const MatrixSet& set, DType x, const PackedMatrix& weights);

  [[nodiscard]] const PackedMatrix& weights() const { return weights_; }
  [[nodiscard]] const DotKernels& kernels() const { return *kernels_; }
  /// Number formats and where the weights are decoded, in words.
  [[nodiscard]] std::string explanation() const;

  /// Bytes that `rows_in` needs for so many rows.
  [[nodiscard]] size_t rows_bytes(int64_t rows) const;
  /// Bytes that `run` needs beside the rows, with today's number of threads.
  [[nodiscard]] size_t scratch_bytes(int64_t rows) const;

  /// Lays out rows in a workspace, contents not yet written except for the padding along K.
  [[nodiscard]] PreparedRows rows_in(std::span<std::byte> workspace, int64_t rows) const;
  /// Decodes dense rows [target.count, K] of the product's dtype, on all threads.
  void decode(const std::byte* x, const PreparedRows& target) const;

  /// Multiplies and finishes, on all threads (fewer when `scratch` is smaller than
  /// `scratch_bytes`). Allocates nothing.
  void run(const PreparedRows& rows, const Epilogue& epilogue, std::span<std::byte> scratch) const;

 private:
  struct Blocking;
  struct Group;
  struct Part;
  /// Whether panels of the weights go through a decoded buffer.
  [[nodiscard]] bool decodes() const;
  [[nodiscard]] Blocking blocking(int64_t rows) const;
  [[nodiscard]] Group take_group(const Blocking& cut, std::atomic<int64_t>& next_unit) const;
  void run_units(const PreparedRows& rows, const Epilogue& epilogue, const Blocking& cut,
                 std::atomic<int64_t>& next_unit, std::byte* scratch) const;
  void run_group(const PreparedRows& rows, const Epilogue& epilogue, const Blocking& cut,
                 const Group& group, const Group& next, Part& part) const;
  void finish_group(const Epilogue& epilogue, const Group& group, const BlockProduct& block,
                    Part& part) const;
  [[nodiscard]] bool leaves_look_ups(const Epilogue& epilogue, int64_t column) const;
  [[nodiscard]] const std::byte* slice_after(const Group& group, const Group& next,
                                             int64_t k) const;

  DType x_;
  PackedMatrix weights_;
  const DotKernels* kernels_;
  void (*multiply_)(const BlockProduct&);
};

}  // namespace octet::cpu
