#include "onnx/element_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "onnx/fields.h"
#include "ops/ops.h"

namespace octet::onnx {
namespace {

struct Foreign {
  int64_t code;
  std::string_view name;
};

/// Types of the standard that nothing here computes with.
constexpr std::array kForeign{
    Foreign{0, "UNDEFINED"},   Foreign{8, "STRING"},          Foreign{14, "COMPLEX64"},
    Foreign{15, "COMPLEX128"}, Foreign{18, "FLOAT8E4M3FNUZ"}, Foreign{20, "FLOAT8E5M2FNUZ"},
    Foreign{21, "UINT4"},      Foreign{22, "INT4"},           Foreign{23, "FLOAT4E2M1"},
    Foreign{24, "FLOAT8E8M0"}, Foreign{25, "UINT2"},          Foreign{26, "INT2"},
};

}  // namespace

std::optional<DType> dtype_of_code(int64_t code) {
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    const auto dtype = static_cast<DType>(i);
    if (onnx_code_of(dtype) == code) return dtype;
  }
  return std::nullopt;
}

std::string element_name(int64_t code) {
  if (const auto dtype = dtype_of_code(code)) return std::string(name_of(*dtype));
  const auto* foreign = std::ranges::find(kForeign, code, &Foreign::code);
  return foreign == kForeign.end() ? fmt::format("code {}", code) : std::string(foreign->name);
}

uint32_t typed_data_field(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return tensor::kFloatData;
    case DType::f64:
      return tensor::kDoubleData;
    case DType::i64:
      return tensor::kInt64Data;
    case DType::u32:
    case DType::u64:
      return tensor::kUint64Data;
    default:
      return tensor::kInt32Data;
  }
}

}  // namespace octet::onnx
