#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "base/threads.h"
#include "cpu/kernel_table.h"
#include "ops/ops.h"
#include "runtime/backend.h"

namespace octet::cpu::reference {

// What the plain kernels are made of: elements as float or int64, rows in parallel, scratch.

using runtime::Kernel;
using runtime::KernelArgs;
using runtime::Operand;

/// Elements [begin, begin + row.size()) of a floating or integer operand.
void load_row(const Operand& operand, int64_t begin, std::span<float> row);
/// The same of an integer or boolean operand.
void load_row(const Operand& operand, int64_t begin, std::span<int64_t> row);

/// Rounds once to the operand's dtype (E4M3 saturates).
void store_row(const Operand& operand, int64_t begin, std::span<const float> row);
void store_row(const Operand& operand, int64_t begin, std::span<const int64_t> row);
/// As a fused operator stores: E4M3 takes the codes of value / y_scale. Overwrites `row`.
void store_scaled(const Operand& operand, int64_t begin, std::span<float> row, float y_scale);

/// body(row) for every row, shared among threads; `work` is the number of elements a row touches.
/// Allocates nothing.
template <typename Body>
void for_each_row(int64_t rows, int64_t work, const Body& body) {
  constexpr int64_t kWorkPerTask = 16384;
  const auto range = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  };
  const int64_t grain = std::max<int64_t>(1, kWorkPerTask / std::max<int64_t>(1, work));
  parallel_for(rows, grain, std::cref(range));
}

/// Bytes that a Scratch needs for `count` floats.
constexpr size_t scratch_bytes(int64_t count) {
  constexpr size_t kAlignment = 64;
  return (static_cast<size_t>(count) * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
}

/// Cuts a workspace into float arrays.
class Scratch {
 public:
  explicit Scratch(std::span<std::byte> bytes) : bytes_(bytes) {}
  std::span<float> take(int64_t count);

 private:
  std::span<std::byte> bytes_;
};

/// The operand as floats: in place when it is f32, else converted into the scratch.
std::span<const float> as_floats(const Operand& operand, Scratch& scratch);
/// What `as_floats` takes from the scratch.
size_t as_floats_bytes(const Operand& operand);

/// Rounds a whole dense result to the operand's dtype.
void store_floats(const Operand& operand, const float* values);

/// An optional operand that is there.
inline bool has(std::span<const Operand> operands, size_t index) {
  return index < operands.size() && operands[index].present();
}

/// A table row whose kernel class is constructed from the node's context.
template <typename K>
std::unique_ptr<Kernel> load_kernel(const Graph& graph, const Node& node) {
  return std::make_unique<K>(context_of(graph, node));
}

template <typename K>
constexpr KernelEntry entry(std::string_view name, std::string_view domain, std::string_view op) {
  return {name, domain, op, nullptr, nullptr, load_kernel<K>};
}

}  // namespace octet::cpu::reference
