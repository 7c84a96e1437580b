#include "checkpoint/scale_names.h"

#include <array>

namespace octet::checkpoint {
namespace {

struct Row {
  std::string_view scale;
  std::string_view quantizer;
};

/// The first row that fits counts; the last three are how compressed-tensors spells attention.
constexpr std::array kRows{
    Row{".weight_scale", ".weight_quantizer"},  Row{".input_scale", ".input_quantizer"},
    Row{".q_proj.q_scale", ".q_bmm_quantizer"}, Row{".k_proj.k_scale", ".k_bmm_quantizer"},
    Row{".v_proj.v_scale", ".v_bmm_quantizer"}, Row{".softmax_scale", ".softmax_quantizer"},
    Row{".q_scale", ".q_bmm_quantizer"},        Row{".k_scale", ".k_bmm_quantizer"},
    Row{".v_scale", ".v_bmm_quantizer"},
};

std::optional<std::string> replace_suffix(std::string_view name, std::string_view suffix,
                                          std::string_view replacement) {
  auto stem = strip_suffix(name, suffix);
  if (stem) stem->append(replacement);
  return stem;
}

}  // namespace

std::optional<std::string> strip_suffix(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  return std::string(name.substr(0, name.size() - suffix.size()));
}

std::optional<std::string> quantizer_of_scale(std::string_view name) {
  for (const Row& row : kRows) {
    if (auto quantizer = replace_suffix(name, row.scale, row.quantizer)) return quantizer;
  }
  return std::nullopt;
}

std::optional<std::string> scale_of_quantizer(std::string_view quantizer) {
  for (const Row& row : kRows) {
    if (auto scale = replace_suffix(quantizer, row.quantizer, row.scale)) return scale;
  }
  return std::nullopt;
}

}  // namespace octet::checkpoint
