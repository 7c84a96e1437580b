#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/threads.h"
#include "tensor/codecs.h"

namespace octet {
namespace {

/// Elements may stand at any byte offset (files are not always aligned), hence memcpy.
template <typename Stored, typename Value, typename Decode>
void decode_span(std::span<const std::byte> source, std::span<Value> target, Decode decode) {
  check(source.size() == target.size() * sizeof(Stored), "{} bytes for {} elements", source.size(),
        target.size());
  for (size_t i = 0; i < target.size(); ++i) {
    Stored stored{};
    std::memcpy(&stored, source.data() + i * sizeof(Stored), sizeof(Stored));
    target[i] = decode(stored);
  }
}

template <typename Stored, typename Value, typename Encode>
void encode_span(std::span<const Value> source, std::span<std::byte> target, Encode encode) {
  check(target.size() == source.size() * sizeof(Stored), "{} bytes for {} elements", target.size(),
        source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    const Stored stored = encode(source[i]);
    std::memcpy(target.data() + i * sizeof(Stored), &stored, sizeof(Stored));
  }
}

template <typename Stored, typename Value>
void decode_by_value(std::span<const std::byte> source, std::span<Value> target) {
  decode_span<Stored>(source, target, [](Stored stored) { return static_cast<Value>(stored); });
}

template <typename Stored, typename Value>
void encode_by_value(std::span<const Value> source, std::span<std::byte> target) {
  encode_span<Stored>(source, target, [](Value value) { return static_cast<Stored>(value); });
}

/// Toward zero; beyond the type's range its end, NaN gives 0.
template <typename Integer>
Integer saturate(float value) {
  using Limits = std::numeric_limits<Integer>;
  if (std::isnan(value)) return 0;
  if (value <= static_cast<float>(Limits::min())) return Limits::min();
  if (value >= static_cast<float>(Limits::max())) return Limits::max();
  return static_cast<Integer>(value);
}

template <typename Integer>
void encode_saturating(std::span<const float> source, std::span<std::byte> target) {
  encode_span<Integer>(source, target, saturate<Integer>);
}

/// Where floats would lose bits. u64 keeps its bits, so converting there and back is exact.
void decode_integers(DType dtype, std::span<const std::byte> source, std::span<int64_t> target) {
  // clang-format off
  switch (dtype) {
    case DType::i8: return decode_by_value<int8_t>(source, target);
    case DType::i16: return decode_by_value<int16_t>(source, target);
    case DType::i32: return decode_by_value<int32_t>(source, target);
    case DType::i64: return decode_by_value<int64_t>(source, target);
    case DType::u8:
    case DType::boolean: return decode_by_value<uint8_t>(source, target);
    case DType::u16: return decode_by_value<uint16_t>(source, target);
    case DType::u32: return decode_by_value<uint32_t>(source, target);
    case DType::u64: return decode_by_value<uint64_t>(source, target);
    default: fail_input("{} is no integer type", name_of(dtype));
  }
  // clang-format on
}

void encode_integers(DType dtype, std::span<const int64_t> source, std::span<std::byte> target) {
  // clang-format off
  switch (dtype) {
    case DType::i8: return encode_by_value<int8_t>(source, target);
    case DType::i16: return encode_by_value<int16_t>(source, target);
    case DType::i32: return encode_by_value<int32_t>(source, target);
    case DType::i64: return encode_by_value<int64_t>(source, target);
    case DType::u8: return encode_by_value<uint8_t>(source, target);
    case DType::u16: return encode_by_value<uint16_t>(source, target);
    case DType::u32: return encode_by_value<uint32_t>(source, target);
    case DType::u64: return encode_by_value<uint64_t>(source, target);
    case DType::boolean:
      return encode_span<uint8_t>(source, target, [](int64_t v) { return uint8_t{v != 0}; });
    default: fail_input("{} is no integer type", name_of(dtype));
  }
  // clang-format on
}

constexpr size_t kChunk = 4096;

/// `from` and `to` hold the same number of elements, at most kChunk.
void convert_chunk(DType from_type, std::span<const std::byte> from, DType to_type,
                   std::span<std::byte> to) {
  const size_t count = from.size() / size_of(from_type);
  if (!is_float(from_type) && !is_float(to_type)) {
    std::array<int64_t, kChunk> integers;
    decode_integers(from_type, from, std::span(integers).first(count));
    encode_integers(to_type, std::span<const int64_t>(integers).first(count), to);
    return;
  }
  std::array<float, kChunk> floats;
  convert_to_f32(from_type, from, std::span(floats).first(count));
  convert_from_f32(to_type, std::span(floats).first(count), to);
}

}  // namespace

void convert_to_f32(DType dtype, std::span<const std::byte> source, std::span<float> target) {
  // clang-format off
  switch (dtype) {
    case DType::f32: return decode_by_value<float>(source, target);
    case DType::f64: return decode_by_value<double>(source, target);
    case DType::f16: return decode_span<uint16_t>(source, target, f16_to_f32);
    case DType::bf16: return decode_span<uint16_t>(source, target, bf16_to_f32);
    case DType::f8e4m3: return decode_span<uint8_t>(source, target, e4m3_to_f32);
    case DType::f8e5m2: return decode_span<uint8_t>(source, target, e5m2_to_f32);
    case DType::i8: return decode_by_value<int8_t>(source, target);
    case DType::i16: return decode_by_value<int16_t>(source, target);
    case DType::i32: return decode_by_value<int32_t>(source, target);
    case DType::i64: return decode_by_value<int64_t>(source, target);
    case DType::u8:
    case DType::boolean: return decode_by_value<uint8_t>(source, target);
    case DType::u16: return decode_by_value<uint16_t>(source, target);
    case DType::u32: return decode_by_value<uint32_t>(source, target);
    case DType::u64: return decode_by_value<uint64_t>(source, target);
  }
  // clang-format on
}

void convert_from_f32(DType dtype, std::span<const float> source, std::span<std::byte> target) {
  // clang-format off
  switch (dtype) {
    case DType::f32: return encode_by_value<float>(source, target);
    case DType::f64: return encode_by_value<double>(source, target);
    case DType::f16: return encode_span<uint16_t>(source, target, f32_to_f16);
    case DType::bf16: return encode_span<uint16_t>(source, target, f32_to_bf16);
    case DType::f8e4m3: return encode_span<uint8_t>(source, target, f32_to_e4m3);
    case DType::f8e5m2: fail_input("writing {} is not supported", name_of(dtype));
    case DType::i8: return encode_saturating<int8_t>(source, target);
    case DType::i16: return encode_saturating<int16_t>(source, target);
    case DType::i32: return encode_saturating<int32_t>(source, target);
    case DType::i64: return encode_saturating<int64_t>(source, target);
    case DType::u8: return encode_saturating<uint8_t>(source, target);
    case DType::u16: return encode_saturating<uint16_t>(source, target);
    case DType::u32: return encode_saturating<uint32_t>(source, target);
    case DType::u64: return encode_saturating<uint64_t>(source, target);
    case DType::boolean:
      return encode_span<uint8_t>(source, target, [](float v) { return uint8_t{v != 0.0F}; });
  }
  // clang-format on
}

Tensor convert(const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return tensor;
  constexpr int64_t kGrain = 16 * int64_t{kChunk};  // enough work to be worth a thread
  Tensor result(dtype, tensor.shape());
  const size_t from = size_of(tensor.dtype());
  const size_t to = size_of(dtype);
  const auto target = result.mutable_bytes();
  parallel_for(tensor.count(), kGrain, [&](int64_t begin, int64_t end) {
    for (auto at = static_cast<size_t>(begin); at < static_cast<size_t>(end); at += kChunk) {
      const size_t count = std::min(kChunk, static_cast<size_t>(end) - at);
      convert_chunk(tensor.dtype(), tensor.bytes().subspan(at * from, count * from), dtype,
                    target.subspan(at * to, count * to));
    }
  });
  return result;
}

float element_as_f32(const Tensor& tensor, int64_t index) {
  const size_t size = size_of(tensor.dtype());
  float value = 0.0F;
  convert_to_f32(tensor.dtype(), tensor.bytes().subspan(static_cast<size_t>(index) * size, size),
                 {&value, 1});
  return value;
}

}  // namespace octet
