#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "runtime/engine.h"

namespace octet::runtime {
namespace {

constexpr int kFixed = -1;

/// Extents of a value with symbols as indices, so that a run resolves them without look-ups.
struct SymbolicExtents {
  std::array<int64_t, kMaxRank> extents{};
  std::array<int, kMaxRank> symbols{};
};

struct BoundStep {
  const Node* node = nullptr;
  const Kernel* kernel = nullptr;
  std::vector<size_t> inputs;  ///< indices into State::operands; the last one is "left out"
  std::vector<size_t> outputs;
  std::vector<Operand> input_operands;
  std::vector<Operand> output_operands;
  int counts_rows_of = kFixed;  ///< symbol that this step's output determines
};

}  // namespace

struct Session::State {
  std::vector<std::string> symbol_names;
  std::vector<int64_t> symbol_sizes;
  std::vector<Operand> operands;         ///< by value id, one more for "left out"
  std::vector<SymbolicExtents> extents;  ///< by value id
  std::vector<BoundStep> steps;
  std::vector<Operand> outputs;
  std::shared_ptr<std::byte> arena;
  std::shared_ptr<std::byte> workspace;
  size_t workspace_bytes = 0;
  StepHook hook;

  int symbol_index(const std::string& name) {
    const auto found = std::ranges::find(symbol_names, name);
    if (found != symbol_names.end()) return static_cast<int>(found - symbol_names.begin());
    symbol_names.push_back(name);
    symbol_sizes.push_back(0);
    return static_cast<int>(symbol_names.size()) - 1;
  }

  void prepare_value(const Graph& graph, ValueId id, const Plan& plan) {
    const Value& value = graph.value(id);
    const auto index = static_cast<size_t>(id);
    Operand& operand = operands[index];
    operand.dtype = value.dtype;
    operand.rank = value.dims.size();
    check(operand.rank <= kMaxRank, "value '{}' has rank {}", value.name, operand.rank);
    for (size_t axis = 0; axis < operand.rank; ++axis) {
      const Dim& dim = value.dims[axis];
      extents[index].extents[axis] = dim.size();
      extents[index].symbols[axis] = dim.is_symbolic() ? symbol_index(dim.symbol()) : kFixed;
    }
    if (value.constant) {
      operand.data = operand_data(*value.constant);
    } else if (const auto slot = plan.slots.find(id); slot != plan.slots.end()) {
      operand.data = arena.get() + slot->second.offset;
    }
    resolve(index);
  }

  void resolve(size_t index) {
    const SymbolicExtents& from = extents[index];
    Operand& operand = operands[index];
    for (size_t axis = 0; axis < operand.rank; ++axis) {
      operand.extents[axis] = from.symbols[axis] == kFixed
                                  ? from.extents[axis]
                                  : symbol_sizes[static_cast<size_t>(from.symbols[axis])];
    }
  }

  [[nodiscard]] size_t operand_index(ValueId id) const {
    return id == kNoValue ? operands.size() - 1 : static_cast<size_t>(id);
  }

  void run_step(BoundStep& step) {
    for (const size_t output : step.outputs) resolve(output);
    if (step.kernel == nullptr)
      operands[step.outputs.front()].data = operands[step.inputs.front()].data;
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      step.input_operands[i] = operands[step.inputs[i]];
    }
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      step.output_operands[i] = operands[step.outputs[i]];
    }
    if (step.kernel != nullptr) {
      step.kernel->run(
          {step.input_operands, step.output_operands, {workspace.get(), workspace_bytes}});
    }
    if (step.counts_rows_of != kFixed) count_rows(step);
    if (hook) hook(*step.node, step.input_operands, step.output_operands);
  }

  /// The symbol that counts all rows is the end of the last sample's range.
  void count_rows(const BoundStep& step) {
    const Operand& ranges = step.output_operands.front();
    symbol_sizes[static_cast<size_t>(step.counts_rows_of)] =
        ranges.as<int32_t>()[ranges.count() - 1];
  }
};

namespace {

void check_type(const Value& expected, const Tensor& given) {
  if (given.dtype() != expected.dtype || given.rank() != expected.dims.size()) {
    fail(ErrorCode::usage, "input '{}' must be {} {}, not {} {}", expected.name,
         name_of(expected.dtype), to_string(expected.dims), name_of(given.dtype()),
         to_string(given.shape()));
  }
}

}  // namespace

Session::Session(std::shared_ptr<const Engine> engine)
    : engine_(std::move(engine)), state_(std::make_unique<State>()) {
  const Plan& plan = engine_->plan();
  const Graph& graph = plan.graph;
  State& state = *state_;
  state.arena = allocate_aligned(plan.arena_bytes);
  state.workspace = allocate_aligned(plan.workspace_bytes);
  state.workspace_bytes = plan.workspace_bytes;
  state.operands.resize(graph.value_count() + 1);
  state.extents.resize(graph.value_count());
  for (const ValueId id : graph.values()) state.prepare_value(graph, id, plan);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Node& node = graph.node(plan.steps[i].node);
    BoundStep step{&node, engine_->kernel(i), {}, {}, {}, {}, kFixed};
    for (const ValueId id : node.inputs) step.inputs.push_back(state.operand_index(id));
    for (const ValueId id : node.outputs) step.outputs.push_back(state.operand_index(id));
    step.input_operands.resize(step.inputs.size());
    step.output_operands.resize(step.outputs.size());
    if (node.is("RowRanges", kOctetDomain)) {
      step.counts_rows_of = state.symbol_index(node.text("symbol", ""));
    }
    state.steps.push_back(std::move(step));
  }
  state.outputs.resize(graph.outputs().size());
}

Session::Session(Session&&) noexcept = default;
Session::~Session() = default;

void Session::set_hook(StepHook hook) {
  state_->hook = std::move(hook);
}

void Session::bind_inputs(std::span<const Tensor> inputs) {
  const Graph& graph = engine_->graph();
  State& state = *state_;
  if (inputs.size() != graph.inputs().size()) {
    fail(ErrorCode::usage, "'{}' takes {} inputs, not {}", graph.name(), graph.inputs().size(),
         inputs.size());
  }
  std::ranges::fill(state.symbol_sizes, 0);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ValueId id = graph.inputs()[i];
    check_type(graph.value(id), inputs[i]);
    bind_extents(id, inputs[i]);
    Operand& operand = state.operands[static_cast<size_t>(id)];
    operand.data = operand_data(inputs[i]);
    state.resolve(static_cast<size_t>(id));
  }
}

void Session::bind_extents(ValueId id, const Tensor& given) {
  const Value& expected = engine_->graph().value(id);
  for (size_t axis = 0; axis < expected.dims.size(); ++axis) {
    const Dim& dim = expected.dims[axis];
    const int64_t extent = given.shape()[axis];
    if (!dim.is_symbolic()) {
      if (extent == dim.size()) continue;
      fail(ErrorCode::usage, "input '{}' must be {}, not {}", expected.name,
           to_string(expected.dims), to_string(given.shape()));
    }
    int64_t& size = state_->symbol_sizes[static_cast<size_t>(state_->symbol_index(dim.symbol()))];
    const SymbolRange& range = engine_->plan().symbols.at(dim.symbol());
    if (extent < 1 || extent > range.max || (size != 0 && size != extent)) {
      fail(ErrorCode::usage, "input '{}': {} is {}, but the engine was built for at most {}",
           expected.name, dim.symbol(), extent, range.max);
    }
    size = extent;
  }
}

std::span<const Operand> Session::run(std::span<const Tensor> inputs) {
  bind_inputs(inputs);
  for (BoundStep& step : state_->steps) state_->run_step(step);
  const std::vector<ValueId>& outputs = engine_->graph().outputs();
  for (size_t i = 0; i < outputs.size(); ++i) {
    state_->outputs[i] = state_->operands[static_cast<size_t>(outputs[i])];
  }
  return state_->outputs;
}

std::vector<Tensor> Session::run_copied(std::span<const Tensor> inputs) {
  std::vector<Tensor> copies;
  for (const Operand& output : run(inputs)) copies.push_back(to_tensor(output));
  return copies;
}

Tensor to_tensor(const Operand& operand) {
  Tensor tensor(operand.dtype, operand.shape());
  if (tensor.size_bytes() > 0) {
    std::memcpy(tensor.mutable_bytes().data(), operand.data, tensor.size_bytes());
  }
  return tensor;
}

}  // namespace octet::runtime
