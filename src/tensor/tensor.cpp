#include "tensor/tensor.h"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace octet {

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) {
    if (extent < 0) fail_input("shape {} has a negative extent", to_string(shape));
    if (__builtin_mul_overflow(count, extent, &count)) {
      fail_input("shape {} has too many elements", to_string(shape));
    }
  }
  return count;
}

std::string to_string(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::shared_ptr<std::byte> allocate_aligned(size_t size) {
  constexpr size_t kAlignment = 64;
  // calloc knows which pages are fresh from the system and zero already. Whole vectors may be read
  // at the end, so there is room for one more.
  void* block = size > SIZE_MAX - 2 * kAlignment ? nullptr : std::calloc(1, size + 2 * kAlignment);
  if (block == nullptr) throw std::bad_alloc();
  const auto address = reinterpret_cast<uintptr_t>(block);
  auto* bytes = static_cast<std::byte*>(block) + (kAlignment - address % kAlignment) % kAlignment;
  return {bytes, [block](std::byte*) { std::free(block); }};
}

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype), shape_(std::move(shape)), count_(element_count(shape_)) {
  if (__builtin_mul_overflow(static_cast<size_t>(count_), size_of(dtype), &size_bytes_)) {
    fail_input("shape {} has too many bytes", to_string(shape_));
  }
  auto memory = allocate_aligned(size_bytes_);
  data_ = memory.get();
  owner_ = std::move(memory);
}

Tensor Tensor::view(DType dtype, Shape shape, std::span<const std::byte> bytes,
                    std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = std::move(shape);
  tensor.count_ = element_count(tensor.shape_);
  tensor.size_bytes_ = bytes.size();
  check(static_cast<size_t>(tensor.count_) * size_of(dtype) == bytes.size(), "{} bytes for {} {}",
        bytes.size(), name_of(dtype), to_string(tensor.shape_));
  tensor.data_ = bytes.data();
  tensor.owner_ = std::move(owner);
  return tensor;
}

Tensor Tensor::reshaped(Shape shape) const {
  check(element_count(shape) == count_, "cannot view {} as {}", to_string(shape_),
        to_string(shape));
  Tensor result = *this;
  result.shape_ = std::move(shape);
  return result;
}

Tensor Tensor::clone() const {
  Tensor result(dtype_, shape_);
  if (size_bytes_ > 0) std::memcpy(result.mutable_bytes().data(), data_, size_bytes_);
  return result;
}

bool operator==(const Tensor& a, const Tensor& b) {
  return a.dtype_ == b.dtype_ && a.shape_ == b.shape_ &&
         (a.data_ == b.data_ || a.size_bytes_ == 0 ||
          std::memcmp(a.data_, b.data_, a.size_bytes_) == 0);
}

void Tensor::check_element_size(size_t size) const {
  check(size == size_of(dtype_), "{}-byte access to a tensor of {}", size, name_of(dtype_));
}

}  // namespace octet
