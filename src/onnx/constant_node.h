#pragma once

#include "onnx/attribute_reader.h"

namespace octet::onnx {

/// The tensor that a Constant node with this one attribute stands for (value, value_float,
/// value_floats, value_int or value_ints). Throws `Error(bad_input)` for the other kinds.
Tensor constant_value(const NamedAttribute& attribute);

}  // namespace octet::onnx
