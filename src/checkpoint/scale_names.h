#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace octet::checkpoint {

/// Canonical quantizer whose scale the tensor `name` holds in the Hugging Face layouts:
/// "fc1.weight_scale" gives "fc1.weight_quantizer". Nothing for a tensor that is no scale.
std::optional<std::string> quantizer_of_scale(std::string_view name);

/// The inverse, in the spelling that is written. Nothing for a quantizer without a place there.
std::optional<std::string> scale_of_quantizer(std::string_view quantizer);

/// `name` without `suffix`; nothing when it does not end so.
std::optional<std::string> strip_suffix(std::string_view name, std::string_view suffix);

}  // namespace octet::checkpoint
