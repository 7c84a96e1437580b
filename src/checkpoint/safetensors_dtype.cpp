#include "checkpoint/safetensors_dtype.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace octet::checkpoint {
namespace {

struct Row {
  std::string_view name;
  DType dtype;
};

constexpr std::array kRows{
    Row{"BOOL", DType::boolean},   Row{"U8", DType::u8},          Row{"I8", DType::i8},
    Row{"F8_E5M2", DType::f8e5m2}, Row{"F8_E4M3", DType::f8e4m3}, Row{"I16", DType::i16},
    Row{"U16", DType::u16},        Row{"F16", DType::f16},        Row{"BF16", DType::bf16},
    Row{"I32", DType::i32},        Row{"U32", DType::u32},        Row{"F32", DType::f32},
    Row{"F64", DType::f64},        Row{"I64", DType::i64},        Row{"U64", DType::u64},
};

const Row& row(DType dtype) {
  const auto* found = std::ranges::find(kRows, dtype, &Row::dtype);
  check(found != kRows.end(), "safetensors has no {}", name_of(dtype));
  return *found;
}

}  // namespace

std::optional<DType> dtype_of_safetensors(std::string_view name) {
  const auto* found = std::ranges::find(kRows, name, &Row::name);
  if (found == kRows.end()) return std::nullopt;
  return found->dtype;
}

std::string_view safetensors_name(DType dtype) {
  return row(dtype).name;
}

int safetensors_rank(DType dtype) {
  return static_cast<int>(&row(dtype) - kRows.data());
}

}  // namespace octet::checkpoint
