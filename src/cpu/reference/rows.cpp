#include "cpu/reference/rows.h"

#include "base/error.h"
#include "tensor/codecs.h"

namespace octet::cpu::reference {
namespace {

std::span<std::byte> bytes_at(const Operand& operand, int64_t begin, size_t count) {
  const size_t size = size_of(operand.dtype);
  return {operand.data + static_cast<size_t>(begin) * size, count * size};
}

}  // namespace

void load_row(const Operand& operand, int64_t begin, std::span<float> row) {
  convert_to_f32(operand.dtype, bytes_at(operand, begin, row.size()), row);
}

void load_row(const Operand& operand, int64_t begin, std::span<int64_t> row) {
  switch (operand.dtype) {
    case DType::i64:
      std::copy_n(operand.as<int64_t>() + begin, row.size(), row.begin());
      return;
    case DType::i32:
      std::copy_n(operand.as<int32_t>() + begin, row.size(), row.begin());
      return;
    case DType::boolean:
      std::copy_n(operand.as<uint8_t>() + begin, row.size(), row.begin());
      return;
    default:
      check(false, "{} holds no integers", name_of(operand.dtype));
  }
}

void store_row(const Operand& operand, int64_t begin, std::span<const float> row) {
  convert_from_f32(operand.dtype, row, bytes_at(operand, begin, row.size()));
}

void store_row(const Operand& operand, int64_t begin, std::span<const int64_t> row) {
  switch (operand.dtype) {
    case DType::i64:
      std::ranges::copy(row, operand.as<int64_t>() + begin);
      return;
    case DType::i32:
      std::ranges::transform(row, operand.as<int32_t>() + begin,
                             [](int64_t value) { return static_cast<int32_t>(value); });
      return;
    case DType::boolean:
      std::ranges::transform(row, operand.as<uint8_t>() + begin,
                             [](int64_t value) { return uint8_t{value != 0}; });
      return;
    default:
      check(false, "{} holds no integers", name_of(operand.dtype));
  }
}

void store_scaled(const Operand& operand, int64_t begin, std::span<float> row, float y_scale) {
  if (operand.dtype == DType::f8e4m3) {
    for (float& value : row) value /= y_scale;
  }
  store_row(operand, begin, row);
}

std::span<float> Scratch::take(int64_t count) {
  const size_t bytes = scratch_bytes(count);
  check(bytes <= bytes_.size(), "a workspace of {} bytes lacks {}", bytes_.size(), bytes);
  const std::span<float> taken(reinterpret_cast<float*>(bytes_.data()), static_cast<size_t>(count));
  bytes_ = bytes_.subspan(bytes);
  return taken;
}

std::span<const float> as_floats(const Operand& operand, Scratch& scratch) {
  const auto count = static_cast<size_t>(operand.count());
  if (operand.dtype == DType::f32) return {operand.as<float>(), count};
  const std::span<float> floats = scratch.take(operand.count());
  const auto width = static_cast<size_t>(operand.last());
  for_each_row(operand.rows(), operand.last(), [&](int64_t row) {
    const size_t begin = static_cast<size_t>(row) * width;
    load_row(operand, static_cast<int64_t>(begin), floats.subspan(begin, width));
  });
  return floats;
}

void store_floats(const Operand& operand, const float* values) {
  const int64_t width = operand.last();
  for_each_row(operand.rows(), width, [&](int64_t row) {
    store_row(operand, row * width,
              std::span<const float>(values + row * width, static_cast<size_t>(width)));
  });
}

size_t as_floats_bytes(const Operand& operand) {
  return operand.dtype == DType::f32 ? 0 : scratch_bytes(operand.count());
}

}  // namespace octet::cpu::reference
