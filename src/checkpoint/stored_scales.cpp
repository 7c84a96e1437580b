#include "checkpoint/stored_scales.h"

#include "checkpoint/scale_names.h"
#include "tensor/codecs.h"

namespace octet::checkpoint {

Tensor read_stored_values(const Tensor& stored, const std::string& context) {
  if (!is_float(stored.dtype())) {
    fail_input("{}: {} where a floating type is needed", context, name_of(stored.dtype()));
  }
  const Tensor values = convert(stored, DType::f32).clone();
  if (stored.count() == 1) return values.reshaped({});
  if (stored.rank() > 0 && stored.extent(0) == stored.count()) {
    return values.reshaped({stored.count()});
  }
  fail_input("{}: shape {}; supported is one value per tensor or per output channel", context,
             to_string(stored.shape()));
}

void check_channels(const NamedTensors& tensors, const std::string& quantizer, const Tensor& values,
                    const std::string& context) {
  const auto module = strip_suffix(quantizer, ".weight_quantizer");
  if (!module) {
    if (values.rank() != 0)
      fail_input("{}: {} values; an activation has one", context, values.count());
    return;
  }
  const auto weight = tensors.find(*module + ".weight");
  if (weight == tensors.end()) fail_input("{}: there is no '{}.weight'", context, *module);
  const Shape& shape = weight->second.shape();
  if (values.rank() != 0 && (shape.empty() || shape[0] != values.count())) {
    fail_input("{}: {} values for a weight of shape {}", context, values.count(), to_string(shape));
  }
}

std::string list_names(const std::vector<std::string>& names) {
  constexpr size_t kShown = 3;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += fmt::format("{}'{}'", i == 0 ? "" : ", ", names[i]);
  }
  return names.size() <= kShown ? text : fmt::format("{} and {} more", text, names.size() - kShown);
}

}  // namespace octet::checkpoint
