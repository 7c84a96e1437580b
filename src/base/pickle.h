#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace octet {

/// A value of a Python pickle that holds data only. `global` stands for a named Python object that
/// was never called; `call` for one applied to arguments (kept, not executed).
struct PickleValue {
  struct Global {
    std::string module;
    std::string name;
  };
  struct Call;
  using List = std::vector<PickleValue>;
  using Dict = std::vector<std::pair<PickleValue, PickleValue>>;  ///< in order of insertion
  struct Tuple {
    List items;
  };

  std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<std::byte>,
               std::shared_ptr<List>, std::shared_ptr<Dict>, std::shared_ptr<Tuple>, Global,
               std::shared_ptr<Call>>
      value;

  /// Dictionary member by string (or bytes) key; nullptr when absent or this is no dictionary.
  [[nodiscard]] const PickleValue* find(std::string_view key) const;
};

struct PickleValue::Call {
  Global function;
  List arguments;
};

/// Reads a pickle without executing anything. Only the opcodes that plain data needs are accepted,
/// and only the globals listed ("module name"); everything else throws `Error(bad_input)` naming
/// the opcode or global. Depth and size are limited.
PickleValue read_pickle(std::span<const std::byte> bytes, std::span<const std::string_view> globals,
                        std::string_view where);

}  // namespace octet
