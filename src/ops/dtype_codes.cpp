#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "ops/ops.h"

namespace octet {
namespace {

constexpr std::array<std::pair<DType, int64_t>, 15> kCodes{{
    {DType::f32, 1},
    {DType::u8, 2},
    {DType::i8, 3},
    {DType::u16, 4},
    {DType::i16, 5},
    {DType::i32, 6},
    {DType::i64, 7},
    {DType::boolean, 9},
    {DType::f16, 10},
    {DType::f64, 11},
    {DType::u32, 12},
    {DType::u64, 13},
    {DType::bf16, 16},
    {DType::f8e4m3, 17},
    {DType::f8e5m2, 19},
}};

}  // namespace

int64_t onnx_code_of(DType dtype) {
  return std::ranges::find(kCodes, dtype, &std::pair<DType, int64_t>::first)->second;
}

DType dtype_from_onnx(int64_t code) {
  const auto found = std::ranges::find(kCodes, code, &std::pair<DType, int64_t>::second);
  if (found == kCodes.end()) fail_input("ONNX data type {} is not supported", code);
  return found->first;
}

}  // namespace octet
