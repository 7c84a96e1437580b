#include "checkpoint/modelopt_state.h"

#include <array>

#include "base/error.h"
#include "base/pickle.h"
#include "checkpoint/torch_archive.h"

namespace octet::checkpoint {
namespace {

/// A dtype, and the shape of a buffer; neither is ever called by us.
constexpr std::array<std::string_view, 2> kGlobals{"torch float16", "torch Size"};

const PickleValue& member(const PickleValue& value, std::string_view key,
                          const std::string& where) {
  const PickleValue* found = value.find(key);
  if (found == nullptr) fail_input("{}: '{}' is missing", where, key);
  return *found;
}

/// Items of a list or tuple.
const PickleValue::List* items_of(const PickleValue& value) {
  if (const auto* list = std::get_if<std::shared_ptr<PickleValue::List>>(&value.value)) {
    return list->get();
  }
  const auto* tuple = std::get_if<std::shared_ptr<PickleValue::Tuple>>(&value.value);
  return tuple == nullptr ? nullptr : &(*tuple)->items;
}

bool is_none(const PickleValue* value) {
  return value == nullptr || std::holds_alternative<std::monostate>(value->value);
}

bool is_integer(const PickleValue& value, int64_t expected) {
  const auto* integer = std::get_if<int64_t>(&value.value);
  return integer != nullptr && *integer == expected;
}

bool flag(const PickleValue& state, std::string_view key) {
  const PickleValue* value = state.find(key);
  const bool* known = value == nullptr ? nullptr : std::get_if<bool>(&value->value);
  return known != nullptr && *known;
}

/// (4, 3): exponent and mantissa bits.
bool is_e4m3(const PickleValue& state) {
  const PickleValue* bits = state.find("_num_bits");
  const auto* pair = bits == nullptr ? nullptr : items_of(*bits);
  return pair != nullptr && pair->size() == 2 && is_integer((*pair)[0], 4) &&
         is_integer((*pair)[1], 3);
}

/// {-1: None} is Model Optimizer's way to say "one block as long as the row".
bool is_whole_row(const PickleValue& blocks) {
  const auto* dict = std::get_if<std::shared_ptr<PickleValue::Dict>>(&blocks.value);
  if (dict == nullptr) return false;
  bool whole = false;
  for (const auto& [key, size] : **dict) {
    if (is_integer(key, -1)) whole = is_none(&size);
  }
  return whole;
}

ModelOptQuantizer read_quantizer(const PickleValue& state, const std::string& where) {
  const auto* disabled = std::get_if<bool>(&member(state, "_disabled", where).value);
  if (disabled == nullptr) fail_input("{}: '_disabled' is no bool", where);
  ModelOptQuantizer quantizer;
  quantizer.enabled = !*disabled;
  quantizer.fp8 = is_e4m3(state);
  const PickleValue* blocks = state.find("_block_sizes");
  const bool rows = !is_none(blocks) && is_whole_row(*blocks);
  quantizer.dynamic_per_token = rows && flag(state, "_dynamic");
  quantizer.blocks = !is_none(blocks) && !rows;
  return quantizer;
}

/// The quantizer_state of the last (name, {config, metadata}) step.
const PickleValue& last_state(const PickleValue& root, const std::string& where) {
  const auto* steps = items_of(member(root, "modelopt_state_dict", where));
  if (steps == nullptr || steps->empty()) fail_input("{}: no quantization step", where);
  const auto* step = items_of(steps->back());
  if (step == nullptr || step->size() != 2) fail_input("{}: a step is no pair", where);
  return member(member((*step)[1], "metadata", where), "quantizer_state", where);
}

}  // namespace

std::map<std::string, ModelOptQuantizer> read_modelopt_state(const std::filesystem::path& path) {
  const std::string where = path.string();
  const auto bytes = read_torch_pickle(path);
  const PickleValue root = read_pickle(bytes, kGlobals, where);
  const PickleValue& state = last_state(root, where);
  const auto* dict = std::get_if<std::shared_ptr<PickleValue::Dict>>(&state.value);
  if (dict == nullptr) fail_input("{}: 'quantizer_state' is no dictionary", where);
  std::map<std::string, ModelOptQuantizer> quantizers;
  for (const auto& [key, value] : **dict) {
    const auto name = key.text();
    if (!name) fail_input("{}: a quantizer is not named by a string", where);
    quantizers[std::string(*name)] =
        read_quantizer(value, fmt::format("{}: quantizer '{}'", where, *name));
  }
  return quantizers;
}

}  // namespace octet::checkpoint
