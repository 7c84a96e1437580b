#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/backend.h"
#include "runtime/plan.h"

namespace octet::runtime {

/// A Plan loaded on a Backend: kernels prepared, constants in place. Immutable; any number of
/// Sessions on any threads share one.
class Engine {
 public:
  /// Throws `Error(bad_input)` when the plan was made for another backend.
  static std::shared_ptr<const Engine> load(Plan plan, const Backend& backend);

  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] const Graph& graph() const { return plan_.graph; }
  [[nodiscard]] const Kernel* kernel(size_t step) const { return kernels_[step].get(); }
  [[nodiscard]] const Backend& backend() const { return backend_; }
  /// A constant of the graph where the backend's kernels read it.
  [[nodiscard]] const Tensor& placed(ValueId constant) const { return placed_.at(constant); }
  /// Index of a graph input or output by name; throws `Error(usage)` listing the names.
  [[nodiscard]] size_t input_index(std::string_view name) const;
  [[nodiscard]] size_t output_index(std::string_view name) const;
  /// Largest size of a symbol, such as "batch".
  [[nodiscard]] int64_t max_size(std::string_view symbol) const;

 private:
  Engine(Plan plan, const Backend& backend) : plan_(std::move(plan)), backend_(backend) {}

  Plan plan_;
  const Backend& backend_;  ///< lives as long as the program
  std::vector<std::unique_ptr<Kernel>> kernels_;
  std::map<ValueId, Tensor> placed_;
};

/// Called after every step with the node and its operands of this run. Outputs may be overwritten
/// (that is how `verify` feeds each block the reference's own inputs).
using StepHook = std::function<void(const Node& node, std::span<const Operand> inputs,
                                    std::span<const Operand> outputs)>;

/// The memory of one stream of runs on an Engine: one per thread. `run` allocates nothing.
class Session {
 public:
  explicit Session(std::shared_ptr<const Engine> engine);
  Session(Session&&) noexcept;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session& operator=(Session&&) = delete;
  ~Session();

  [[nodiscard]] const Engine& engine() const { return *engine_; }

  /// Runs once. Inputs stand in the order of the graph's inputs, with its dtypes; symbolic extents
  /// follow from their shapes. Returns the outputs, viewed in the session's memory until the next
  /// run. Throws `Error(usage)` for wrong dtypes, shapes or sizes out of range, and for ids outside
  /// the table that they choose rows of.
  std::span<const Operand> run(std::span<const Tensor> inputs);

  /// The same, outputs copied into tensors of their own.
  std::vector<Tensor> run_copied(std::span<const Tensor> inputs);

  /// Empty to remove. Views (Reshape and the like) are reported too. Operands are in host memory.
  void set_hook(StepHook hook);

  /// Seconds of every step of a run on these inputs, each waited for before the next: their sum is
  /// more than a run takes, their shares are right. Zero for views.
  std::vector<double> time_steps(std::span<const Tensor> inputs);

  /// Work of a step in the last run: bytes of its operands, and the plan's count of operations in
  /// proportion to the size of the output (of ragged attention an approximation).
  [[nodiscard]] Cost cost(size_t step) const;

  /// Of the last run, by the device's clock.
  [[nodiscard]] RunTimes times() const;

 private:
  struct State;
  void allocate_transfers();
  void decide_extents();
  void fetch_outputs();
  void bind_inputs(std::span<const Tensor> inputs);
  void bind_extents(ValueId id, const Tensor& given);

  std::shared_ptr<const Engine> engine_;
  std::unique_ptr<State> state_;
};

/// Copies an operand into a tensor that owns its bytes.
Tensor to_tensor(const Operand& operand);

}  // namespace octet::runtime
