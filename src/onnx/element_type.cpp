#include "onnx/element_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "onnx/fields.h"

namespace octet::onnx {
namespace {

struct Row {
  int32_t code;
  std::string_view name;
  DType dtype;
  uint32_t typed_field;
};

constexpr std::array kRows{
    Row{1, "FLOAT", DType::f32, tensor::kFloatData},
    Row{2, "UINT8", DType::u8, tensor::kInt32Data},
    Row{3, "INT8", DType::i8, tensor::kInt32Data},
    Row{4, "UINT16", DType::u16, tensor::kInt32Data},
    Row{5, "INT16", DType::i16, tensor::kInt32Data},
    Row{6, "INT32", DType::i32, tensor::kInt32Data},
    Row{7, "INT64", DType::i64, tensor::kInt64Data},
    Row{9, "BOOL", DType::boolean, tensor::kInt32Data},
    Row{10, "FLOAT16", DType::f16, tensor::kInt32Data},
    Row{11, "DOUBLE", DType::f64, tensor::kDoubleData},
    Row{12, "UINT32", DType::u32, tensor::kUint64Data},
    Row{13, "UINT64", DType::u64, tensor::kUint64Data},
    Row{16, "BFLOAT16", DType::bf16, tensor::kInt32Data},
    Row{17, "FLOAT8E4M3FN", DType::f8e4m3, tensor::kInt32Data},
    Row{19, "FLOAT8E5M2", DType::f8e5m2, tensor::kInt32Data},
};

struct Foreign {
  int32_t code;
  std::string_view name;
};

/// Types of the standard that nothing here computes with.
constexpr std::array kForeign{
    Foreign{0, "UNDEFINED"},   Foreign{8, "STRING"},          Foreign{14, "COMPLEX64"},
    Foreign{15, "COMPLEX128"}, Foreign{18, "FLOAT8E4M3FNUZ"}, Foreign{20, "FLOAT8E5M2FNUZ"},
    Foreign{21, "UINT4"},      Foreign{22, "INT4"},           Foreign{23, "FLOAT4E2M1"},
    Foreign{24, "FLOAT8E8M0"}, Foreign{25, "UINT2"},          Foreign{26, "INT2"},
};

const Row& row_of(DType dtype) {
  return *std::ranges::find(kRows, dtype, &Row::dtype);
}

}  // namespace

int32_t element_code(DType dtype) {
  return row_of(dtype).code;
}

uint32_t typed_data_field(DType dtype) {
  return row_of(dtype).typed_field;
}

std::optional<DType> dtype_of_code(int64_t code) {
  const auto* row = std::ranges::find(kRows, code, &Row::code);
  return row == kRows.end() ? std::nullopt : std::optional(row->dtype);
}

std::string element_name(int64_t code) {
  const auto* row = std::ranges::find(kRows, code, &Row::code);
  if (row != kRows.end()) return std::string(row->name);
  const auto* foreign = std::ranges::find(kForeign, code, &Foreign::code);
  if (foreign != kForeign.end()) return std::string(foreign->name);
  return fmt::format("code {}", code);
}

}  // namespace octet::onnx
