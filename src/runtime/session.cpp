#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "runtime/engine.h"
#include "runtime/memory_plan.h"
#include "runtime/row_ranges.h"
#include "runtime/table_indices.h"

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
  int rows_symbol = kFixed;  ///< of a step that decides extents: the symbol that counts all rows

  [[nodiscard]] bool decides_extents() const { return rows_symbol != kFixed; }
};

/// An operand's copy in host memory, for hooks.
Operand on_host(const Operand& operand, Stream& stream,
                std::vector<std::shared_ptr<std::byte>>& kept) {
  if (!operand.present()) return operand;
  kept.push_back(allocate_aligned(operand.size_bytes()));
  Operand copy = operand;
  copy.data = kept.back().get();
  stream.download({copy.data, copy.size_bytes()}, operand.data);
  return copy;
}

}  // namespace

struct Session::State {
  std::unique_ptr<Stream> stream;
  std::vector<std::string> symbol_names;
  std::vector<int64_t> symbol_sizes;
  std::vector<Operand> operands;         ///< by value id, one more for "left out"
  std::vector<SymbolicExtents> extents;  ///< by value id
  std::vector<BoundStep> steps;
  std::vector<Operand> outputs;  ///< in host memory
  std::shared_ptr<std::byte> arena;
  std::shared_ptr<std::byte> workspace;
  size_t workspace_bytes = 0;
  // Only for devices with memory of their own: inputs there, outputs here.
  std::vector<std::shared_ptr<std::byte>> device_inputs;
  std::vector<std::shared_ptr<std::byte>> host_outputs;
  std::vector<Operand> given;  ///< the caller's inputs
  std::vector<TableIndices> indices;
  StepHook hook;

  int symbol_index(const std::string& name) {
    const auto found = std::ranges::find(symbol_names, name);
    if (found != symbol_names.end()) return static_cast<int>(found - symbol_names.begin());
    symbol_names.push_back(name);
    symbol_sizes.push_back(0);
    return static_cast<int>(symbol_names.size()) - 1;
  }

  void prepare_value(const Engine& engine, ValueId id) {
    const Plan& plan = engine.plan();
    const Value& value = plan.graph.value(id);
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
      operand.data = operand_data(engine.placed(id));
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

  /// Resolves a step's operands and issues its kernel.
  void issue(BoundStep& step) {
    for (const size_t output : step.outputs) resolve(output);
    if (step.kernel == nullptr && !step.decides_extents()) {
      operands[step.outputs.front()].data = operands[step.inputs.front()].data;
    }
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      step.input_operands[i] = operands[step.inputs[i]];
    }
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      step.output_operands[i] = operands[step.outputs[i]];
    }
    if (step.kernel == nullptr) return;
    step.kernel->run({step.input_operands,
                      step.output_operands,
                      {workspace.get(), workspace_bytes},
                      stream.get()});
  }

  /// Runs what decides extents, on the host, and counts the packed rows.
  void decide_extents(BoundStep& step, const Operand& ids, int64_t granularity) {
    const size_t output = step.outputs.front();
    resolve(output);
    Operand ranges = operands[output];
    std::shared_ptr<std::byte> copy;
    if (!stream->on_host()) {
      copy = allocate_aligned(ranges.size_bytes());
      ranges.data = copy.get();
    }
    const int64_t rows = fill_row_ranges(*step.node, ids, ranges);
    symbol_sizes[static_cast<size_t>(step.rows_symbol)] =
        (rows + granularity - 1) / granularity * granularity;
    if (copy) stream->upload(operands[output].data, {ranges.data, ranges.size_bytes()});
  }

  void run_watched(BoundStep& step) {
    issue(step);
    if (stream->on_host()) {
      hook(*step.node, step.input_operands, step.output_operands);
      return;
    }
    std::vector<std::shared_ptr<std::byte>> kept;
    std::vector<Operand> inputs;
    std::vector<Operand> results;
    for (const Operand& operand : step.input_operands) {
      inputs.push_back(on_host(operand, *stream, kept));
    }
    for (const Operand& operand : step.output_operands) {
      results.push_back(on_host(operand, *stream, kept));
    }
    stream->wait();
    hook(*step.node, inputs, results);
    for (size_t i = 0; i < results.size(); ++i) {
      stream->upload(step.output_operands[i].data, {results[i].data, results[i].size_bytes()});
    }
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
  state.stream = engine_->backend().make_stream();
  state.arena = state.stream->allocate(plan.arena_bytes);
  state.workspace = state.stream->allocate(plan.workspace_bytes);
  state.workspace_bytes = plan.workspace_bytes;
  state.operands.resize(graph.value_count() + 1);
  state.extents.resize(graph.value_count());
  for (const ValueId id : graph.values()) state.prepare_value(*engine_, id);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Node& node = graph.node(plan.steps[i].node);
    BoundStep step{&node, engine_->kernel(i), {}, {}, {}, {}, kFixed};
    for (const ValueId id : node.inputs) step.inputs.push_back(state.operand_index(id));
    for (const ValueId id : node.outputs) step.outputs.push_back(state.operand_index(id));
    step.input_operands.resize(step.inputs.size());
    step.output_operands.resize(step.outputs.size());
    if (decides_extents(node)) step.rows_symbol = state.symbol_index(node.text("symbol", ""));
    state.steps.push_back(std::move(step));
  }
  state.given.resize(graph.inputs().size());
  state.indices = table_indices(graph);
  state.outputs.resize(graph.outputs().size());
  if (!state.stream->on_host()) allocate_transfers();
}

/// Places for the inputs on the device and for the outputs on the host, at their largest.
void Session::allocate_transfers() {
  const Graph& graph = engine_->graph();
  State& state = *state_;
  const auto largest_bytes = [&](ValueId id) {
    const Value& value = graph.value(id);
    size_t bytes = size_of(value.dtype);
    for (const Dim& dim : value.dims) {
      bytes *=
          static_cast<size_t>(dim.is_symbolic() ? engine_->max_size(dim.symbol()) : dim.size());
    }
    return bytes;
  };
  for (const ValueId id : graph.inputs()) {
    state.device_inputs.push_back(state.stream->allocate(largest_bytes(id)));
    state.operands[static_cast<size_t>(id)].data = state.device_inputs.back().get();
  }
  const std::map<ValueId, ArenaSlot>& slots = engine_->plan().slots;
  for (const ValueId id : graph.outputs()) {
    // A slot knows the most packed rows too.
    const auto slot = slots.find(storage_of(graph, id));
    const size_t bytes = slot == slots.end() ? largest_bytes(id) : slot->second.size;
    state.host_outputs.push_back(state.stream->allocate_host(bytes));
  }
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
    state.given[i] = view_of(inputs[i]);
    for (const TableIndices& indices : state.indices) {
      if (indices.input == i) check_table_indices(indices, graph.value(id).name, state.given[i]);
    }
    state.resolve(static_cast<size_t>(id));
    Operand& operand = state.operands[static_cast<size_t>(id)];
    if (state.stream->on_host()) {
      operand.data = state.given[i].data;
    } else {
      state.stream->upload(operand.data, inputs[i].bytes());
    }
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

void Session::decide_extents() {
  const std::vector<ValueId>& inputs = engine_->graph().inputs();
  for (BoundStep& step : state_->steps) {
    if (!step.decides_extents()) continue;
    const auto input = std::ranges::find(inputs, step.node->inputs.front());
    state_->decide_extents(step, state_->given[static_cast<size_t>(input - inputs.begin())],
                           engine_->backend().row_granularity());
  }
}

std::span<const Operand> Session::run(std::span<const Tensor> inputs) {
  State& state = *state_;
  bind_inputs(inputs);
  decide_extents();
  if (state.hook) {
    for (BoundStep& step : state.steps) state.run_watched(step);
  } else {
    state.stream->run(state.symbol_sizes, [&] {
      for (BoundStep& step : state.steps) state.issue(step);
    });
  }
  fetch_outputs();
  return state.outputs;
}

Cost Session::cost(size_t step) const {
  const Plan& plan = engine_->plan();
  const Node& node = plan.graph.node(plan.steps[step].node);
  SymbolSizes sizes;
  for (size_t i = 0; i < state_->symbol_names.size(); ++i) {
    sizes[state_->symbol_names[i]] = state_->symbol_sizes[i];
  }
  const SymbolSizes usual =
      sizes_at(plan.graph, plan.symbols, &SymbolRange::opt, engine_->backend().row_granularity());
  const Dims& output = plan.graph.value(node.outputs.front()).dims;
  const auto elements = [&](const SymbolSizes& at) {
    return static_cast<double>(element_count(*to_shape(octet::bind(output, at))));
  };
  return {plan.steps[step].flops * elements(sizes) / std::max(elements(usual), 1.0),
          bytes_touched(plan.graph, node, sizes)};
}

std::vector<double> Session::time_steps(std::span<const Tensor> inputs) {
  using Clock = std::chrono::steady_clock;
  State& state = *state_;
  bind_inputs(inputs);
  decide_extents();
  state.stream->wait();
  std::vector<double> seconds;
  std::vector<int64_t> key = state.symbol_sizes;
  key.push_back(0);
  for (size_t i = 0; i < state.steps.size(); ++i) {
    BoundStep& step = state.steps[i];
    key.back() = static_cast<int64_t>(i);
    const Clock::time_point begin = Clock::now();
    if (step.kernel == nullptr) {
      state.issue(step);
    } else {
      state.stream->run(key, [&] { state.issue(step); });
    }
    state.stream->wait();
    const std::chrono::duration<double> elapsed = Clock::now() - begin;
    const double on_device = state.stream->times().compute_s;
    seconds.push_back(step.kernel == nullptr ? 0.0 : on_device > 0 ? on_device : elapsed.count());
  }
  return seconds;
}

void Session::fetch_outputs() {
  State& state = *state_;
  const std::vector<ValueId>& ids = engine_->graph().outputs();
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto index = static_cast<size_t>(ids[i]);
    state.resolve(index);
    state.outputs[i] = state.operands[index];
    if (state.stream->on_host()) continue;
    state.outputs[i].data = state.host_outputs[i].get();
    state.stream->download({state.outputs[i].data, state.outputs[i].size_bytes()},
                           state.operands[index].data);
  }
  state.stream->wait();
}

RunTimes Session::times() const {
  return state_->stream->times();
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
