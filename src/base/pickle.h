#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace octet {

/// A value of a Python pickle that holds data only. `global` stands for a named Python object that
/// was never called; `call` for one applied to arguments (kept, not executed). Copies share lists,
/// dictionaries, tuples and calls; there are no cycles, and nesting is limited.
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

  /// None, bool, int, float, str, bytes (also what Python 2 called str), containers, and the two
  /// forms a global takes.
  std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<std::byte>,
               std::shared_ptr<List>, std::shared_ptr<Dict>, std::shared_ptr<Tuple>, Global,
               std::shared_ptr<Call>>
      value;

  /// Dictionary member by string (or bytes) key; nullptr when absent or this is no dictionary.
  /// Of a key written twice, the later one counts, as in Python.
  [[nodiscard]] const PickleValue* find(std::string_view key) const;
  /// The characters of a str or bytes; nothing for other values.
  [[nodiscard]] std::optional<std::string_view> text() const;
};

struct PickleValue::Call {
  Global function;
  /// What it was called with; the state of a later BUILD stands behind them.
  List arguments;
};

/// Reads a pickle of protocol 2 to 5 without executing anything. Only the opcodes that plain data
/// needs are accepted, and only the globals listed ("module name"); everything else throws
/// `Error(bad_input)` naming the opcode or global: sets, objects, persistent ids, out-of-band
/// buffers, integers beyond 64 bits. Self-reference, deep nesting and copies without bound are
/// refused too. `where` names the bytes in messages.
PickleValue read_pickle(std::span<const std::byte> bytes, std::span<const std::string_view> globals,
                        std::string_view where);

}  // namespace octet
