#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "tensor/dtype.h"

namespace octet {

using Shape = std::vector<int64_t>;

/// Product of the extents (1 for a scalar). Throws `Error(bad_input)` on overflow or a negative
/// extent.
int64_t element_count(const Shape& shape);

/// "[2, 3, 4]"
std::string to_string(const Shape& shape);

template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};

/// Bytes with a dtype and a shape; dense, row-major. A handle: copies share the bytes. The bytes
/// are owned (aligned to 64) or viewed with an owner that keeps them alive (a mapped file).
/// A scale is another Tensor, never part of this one. Reading from several threads is safe.
class Tensor {
 public:
  Tensor() = default;
  /// Owning, zero-filled.
  Tensor(DType dtype, Shape shape);

  /// Views memory that `owner` keeps alive; the caller promises it is not written while shared.
  /// `bytes.size()` must be exactly what dtype and shape need.
  static Tensor view(DType dtype, Shape shape, std::span<const std::byte> bytes,
                     std::shared_ptr<const void> owner);

  /// Owning, filled from values of the matching C++ type.
  template <typename T>
  static Tensor from(Shape shape, std::span<const T> values);
  template <typename T>
  static Tensor scalar(T value) {
    return from<T>({}, std::span<const T>(&value, 1));
  }

  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] int64_t extent(size_t axis) const { return shape_.at(axis); }
  [[nodiscard]] size_t rank() const { return shape_.size(); }
  [[nodiscard]] int64_t count() const { return count_; }
  [[nodiscard]] size_t size_bytes() const { return size_bytes_; }

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_bytes_}; }
  /// Only for tensors this code made itself and has not shared as a constant.
  [[nodiscard]] std::span<std::byte> mutable_bytes() { return {writable(), size_bytes_}; }

  /// Typed access; the element size of T must be that of the dtype (uint16_t for f16 bits,
  /// uint8_t for E4M3 codes).
  template <typename T>
  [[nodiscard]] std::span<const T> values() const {
    check_element_size(sizeof(T));
    return {reinterpret_cast<const T*>(data_), static_cast<size_t>(count_)};
  }
  template <typename T>
  [[nodiscard]] std::span<T> mutable_values() {
    check_element_size(sizeof(T));
    return {reinterpret_cast<T*>(writable()), static_cast<size_t>(count_)};
  }

  /// The same bytes under another shape of equal count.
  [[nodiscard]] Tensor reshaped(Shape shape) const;
  /// A deep copy that owns its bytes.
  [[nodiscard]] Tensor clone() const;

  /// Same dtype, shape and bytes.
  friend bool operator==(const Tensor& a, const Tensor& b);

 private:
  void check_element_size(size_t size) const;
  // Views and owned bytes share one pointer; the callers above promise that these are owned.
  [[nodiscard]] std::byte* writable() {
    return const_cast<std::byte*>(data_);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  }

  DType dtype_ = DType::f32;
  Shape shape_ = {0};
  int64_t count_ = 0;
  size_t size_bytes_ = 0;
  const std::byte* data_ = nullptr;
  std::shared_ptr<const void> owner_;
};

/// 64-byte aligned, zero-filled bytes.
std::shared_ptr<std::byte> allocate_aligned(size_t size);

template <typename T>
Tensor Tensor::from(Shape shape, std::span<const T> values) {
  Tensor tensor(DTypeOf<T>::value, std::move(shape));
  auto target = tensor.mutable_values<T>();
  check(target.size() == values.size(), "{} values for shape {}", values.size(),
        to_string(tensor.shape()));
  std::copy(values.begin(), values.end(), target.begin());
  return tensor;
}

}  // namespace octet
