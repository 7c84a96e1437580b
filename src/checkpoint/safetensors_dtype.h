#pragma once

#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace octet::checkpoint {

/// The type that safetensors spells `name` ("F8_E4M3"); nothing for one that is not read.
std::optional<DType> dtype_of_safetensors(std::string_view name);
std::string_view safetensors_name(DType dtype);
/// Place in the order of types that the format's own writer sorts by; wider types stand later.
int safetensors_rank(DType dtype);

}  // namespace octet::checkpoint
