#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tensor/dtype.h"

namespace octet::onnx {

/// The dtype of a TensorProto.DataType; nullopt for those without one (STRING, INT4, ...).
std::optional<DType> dtype_of_code(int64_t code);

/// What messages call a TensorProto.DataType: "f16", "INT4", "code 99".
std::string element_name(int64_t code);

/// The typed field of TensorProto (float_data, int32_data, ...) that may hold such elements.
uint32_t typed_data_field(DType dtype);

}  // namespace octet::onnx
