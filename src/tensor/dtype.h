#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace octet {

/// Element types. `f8e4m3` is the fn variant (max 448, no infinities, NaN 0x7F and 0xFF).
enum class DType : uint8_t {
  f32,
  f16,
  bf16,
  f8e4m3,
  f8e5m2,
  f64,
  i8,
  i16,
  i32,
  i64,
  u8,
  u16,
  u32,
  u64,
  boolean,
};

size_t size_of(DType dtype);

/// "f32", "f8e4m3", ...: our own spelling, in messages, graph text and plans.
std::string_view name_of(DType dtype);
/// The inverse; throws `Error(bad_input)` for an unknown name.
DType dtype_from_name(std::string_view name);

/// Floating point of any width.
bool is_float(DType dtype);

}  // namespace octet
