#include "tensor/dtype.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace octet {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  size_t size;
  bool floating;
};

constexpr std::array kRows{
    Row{DType::f32, "f32", 4, true},       Row{DType::f16, "f16", 2, true},
    Row{DType::bf16, "bf16", 2, true},     Row{DType::f8e4m3, "f8e4m3", 1, true},
    Row{DType::f8e5m2, "f8e5m2", 1, true}, Row{DType::f64, "f64", 8, true},
    Row{DType::i8, "i8", 1, false},        Row{DType::i16, "i16", 2, false},
    Row{DType::i32, "i32", 4, false},      Row{DType::i64, "i64", 8, false},
    Row{DType::u8, "u8", 1, false},        Row{DType::u16, "u16", 2, false},
    Row{DType::u32, "u32", 4, false},      Row{DType::u64, "u64", 8, false},
    Row{DType::boolean, "bool", 1, false},
};

const Row& row(DType dtype) {
  return kRows.at(static_cast<size_t>(dtype));
}

}  // namespace

size_t size_of(DType dtype) {
  return row(dtype).size;
}

std::string_view name_of(DType dtype) {
  return row(dtype).name;
}

DType dtype_from_name(std::string_view name) {
  const auto* found = std::ranges::find(kRows, name, &Row::name);
  if (found == kRows.end()) fail_input("unknown element type '{}'", name);
  return found->dtype;
}

bool is_float(DType dtype) {
  return row(dtype).floating;
}

}  // namespace octet
