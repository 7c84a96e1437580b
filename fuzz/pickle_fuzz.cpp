// libFuzzer target of the pickle reader: any bytes give a bad_input error, or a finite value that
// names no Python object but the listed ones.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/pickle.h"

namespace {

using octet::PickleValue;

constexpr std::array<std::string_view, 2> kGlobals{"torch Size", "torch float16"};

void require(bool condition) {
  if (!condition) std::abort();
}

/// Follows every container, at most `budget` values: sharing can make a small file very wide.
void walk(const PickleValue& value, int depth, int64_t& budget);

void walk_all(const PickleValue::List& items, int depth, int64_t& budget) {
  for (const auto& item : items) {
    if (budget <= 0) return;
    walk(item, depth, budget);
  }
}

void check_global(const PickleValue::Global& global) {
  require(global.module == "torch" && (global.name == "Size" || global.name == "float16"));
}

struct Walker {
  int depth;
  int64_t& budget;

  template <typename T>
  void operator()(const T& /*atom*/) const {}
  void operator()(const PickleValue::Global& global) const { check_global(global); }
  void operator()(const std::shared_ptr<PickleValue::List>& list) const {
    walk_all(*list, depth + 1, budget);
  }
  void operator()(const std::shared_ptr<PickleValue::Tuple>& tuple) const {
    walk_all(tuple->items, depth + 1, budget);
  }
  void operator()(const std::shared_ptr<PickleValue::Call>& call) const {
    check_global(call->function);
    walk_all(call->arguments, depth + 1, budget);
  }
  void operator()(const std::shared_ptr<PickleValue::Dict>& dict) const {
    for (const auto& [key, value] : *dict) walk_all({key, value}, depth + 1, budget);
  }
};

void walk(const PickleValue& value, int depth, int64_t& budget) {
  require(depth <= 64);
  --budget;
  std::visit(Walker{depth, budget}, value.value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto value = octet::read_pickle(std::as_bytes(std::span(data, size)), kGlobals, "fuzz");
    int64_t budget = 100'000;
    walk(value, 0, budget);
  } catch (const octet::Error& error) {
    require(error.code() == octet::ErrorCode::bad_input);
  }
  return 0;
}
