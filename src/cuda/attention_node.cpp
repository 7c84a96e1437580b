// octet.Attention: every head of every sample in one kernel.
#include <algorithm>
#include <optional>

#include "cuda/kernel_table.h"
#include "cuda/qkv_layout.h"
#include "cuda/row_tactics.h"
#include "cuda/scratch.h"
#include "cuda/stream.h"
#include "cuda/tuner.h"
#include "ops/ops.h"
#include "ops/parameters.h"

namespace octet::cuda {
namespace {

using runtime::KernelArgs;
using runtime::KernelChoice;
using runtime::Operand;

constexpr size_t kRanges = 3;

AttentionProblem problem_of(const Device& device, const Graph& graph, const Node& node) {
  AttentionProblem problem = attention_problem(graph, node);
  if (!takes_values_transposed(device, graph, node)) return problem;
  problem.layout = AttentionLayout::values_transposed;
  problem.q_pitch = problem.k_pitch = int64_t{2} * problem.heads * problem.head_dim;
  problem.v_pitch = 0;  // a number of each run
  return problem;
}

Refusal refuse(const Device& device, const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, 0, {DType::f8e4m3, DType::f16})) return reason;
  const std::string words = refusal(attention_problem(graph, node), device.properties());
  return words.empty() ? Refusal() : words;
}

AttentionScales scales_of(const Node& node) {
  AttentionScales scales;
  scales.scale = node.number("scale", 1.0F);
  scales.q = node.number("q_scale", 1.0F);
  scales.k = node.number("k_scale", 1.0F);
  scales.v = node.number("v_scale", 1.0F);
  scales.softmax = node.number("softmax_scale", 1.0F);
  scales.y = node.number("y_scale", 1.0F);
  return scales;
}

/// Where the operands of a run lie.
class Places {
 public:
  Places(const Graph& graph, const Node& node, const AttentionProblem& problem)
      : operands_(attention_operands(context_of(graph, node))),
        transposed_(problem.layout == AttentionLayout::values_transposed) {}

  /// Also fills in the pitch of V where it follows from the rows of this run.
  [[nodiscard]] AttentionOperands at(std::span<const Operand> inputs, const Operand& y,
                                     AttentionProblem& problem) const {
    AttentionOperands places{part(inputs, operands_.q), part(inputs, operands_.k),
                             part(inputs, operands_.v), nullptr, y.data};
    if (inputs.size() > kRanges && inputs[kRanges].present()) places.ranges = inputs[kRanges].data;
    if (transposed_) {
      const Operand& packed = inputs[operands_.v.input];
      const QkvLayout layout = qkv_layout(packed.rows(), operands_.v.column);
      places.v = packed.data + layout.values_offset;
      problem.v_pitch = layout.values_pitch;
    }
    return places;
  }
  [[nodiscard]] int64_t samples(std::span<const Operand> inputs) const {
    if (inputs.size() > kRanges && inputs[kRanges].present()) return inputs[kRanges].extent(0);
    return inputs[operands_.k.input].extent(0);
  }

 private:
  static const std::byte* part(std::span<const Operand> inputs,
                               const octet::AttentionOperands::Part& part) {
    const Operand& operand = inputs[part.input];
    return operand.data + part.column * static_cast<int64_t>(size_of(operand.dtype));
  }
  octet::AttentionOperands operands_;
  bool transposed_;
};

Json to_json(const AttentionProblem& problem) {
  return {{"dtype", name_of(problem.dtype)}, {"out", name_of(problem.out_dtype)},
          {"heads", problem.heads},          {"head_dim", problem.head_dim},
          {"max_rows", problem.max_rows},    {"causal", problem.causal},
          {"ragged", problem.ragged},        {"pooled_query", problem.pooled_query},
          {"quantized", problem.quantized},  {"layout", static_cast<int>(problem.layout)}};
}

/// What a kernel is timed on: samples of one length.
struct TrialSamples {
  int64_t samples = 0;
  int64_t length = 0;
};

/// Ragged samples are text. As many rows as the largest batch in full are full texts; fewer are
/// taken for captions, a dozen tokens long at least.
TrialSamples trial_for(const AttentionProblem& problem, int64_t rows, int64_t most_rows) {
  constexpr int64_t kCaptionRows = 12;
  if (!problem.ragged) return {std::max<int64_t>(1, rows / problem.max_rows), problem.max_rows};
  const int64_t most_samples = std::max<int64_t>(1, most_rows / problem.max_rows);
  const int64_t least = std::min<int64_t>(kCaptionRows, problem.max_rows);
  const int64_t length = std::clamp<int64_t>(rows / most_samples, least, problem.max_rows);
  return {std::max<int64_t>(1, rows / length), length};
}

/// Operands of random numbers for a trial.
class TrialMemory {
 public:
  TrialMemory(const Device& device, const Graph& graph, const Node& node,
              const AttentionProblem& problem, const TrialSamples& trial)
      : places_(graph, node, problem), problem_(problem) {
    const int64_t rows = trial.samples * trial.length;
    for (size_t i = 0; i < node.inputs.size(); ++i)
      inputs_.push_back(input(device, graph, node, i, rows, trial));
    const int64_t width = static_cast<int64_t>(problem.heads) * problem.head_dim;
    kept_.push_back(allocate_device(device, static_cast<size_t>(rows * width) * 4));
    output_ = {problem.out_dtype, 2, {rows, width}, kept_.back().get()};
    operands_ = places_.at(inputs_, output_, problem_);
  }
  [[nodiscard]] const AttentionOperands& operands() const { return operands_; }
  [[nodiscard]] const AttentionProblem& problem() const { return problem_; }

 private:
  Operand input(const Device& device, const Graph& graph, const Node& node, size_t index,
                int64_t rows, const TrialSamples& trial) {
    if (!has_input(node, index)) return {};
    if (index == kRanges) return ranges_of(device, trial);
    const Value& value = graph.value(node.inputs[index]);
    const int64_t columns = value.dims.back().size();
    kept_.push_back(random_device_memory(
        device, value.dtype, static_cast<size_t>((rows + 16) * columns) * size_of(value.dtype)));
    return {value.dtype, 2, {rows, columns}, kept_.back().get()};
  }
  Operand ranges_of(const Device& device, const TrialSamples& trial) {
    Tensor ranges(DType::i32, {trial.samples, 2});
    const auto data = ranges.mutable_values<int32_t>();
    for (size_t i = 0; i < data.size(); ++i) {
      data[i] = static_cast<int32_t>(static_cast<int64_t>((i + 1) / 2) * trial.length);
    }
    kept_.push_back(allocate_device(device, ranges.size_bytes()));
    CudaStream stream(device);
    stream.upload(kept_.back().get(), ranges.bytes());
    stream.wait();
    return {DType::i32, 2, {trial.samples, 2}, kept_.back().get()};
  }

  Places places_;
  AttentionProblem problem_;
  std::vector<std::shared_ptr<std::byte>> kept_;
  std::vector<Operand> inputs_;
  Operand output_;
  AttentionOperands operands_;
};

Tuned tune_for(const Site& site, const AttentionProblem& problem, const TrialSamples& trial) {
  const auto tactics = candidates(problem, site.device.properties());
  std::vector<Candidate> entrants;
  for (const AttentionTactic& tactic : tactics) {
    const Json json = tactic.to_json();
    entrants.push_back({json, json.dump(), source(problem, tactic)});
  }
  std::optional<TrialMemory> memory;  // only when something is timed
  return tune(
      site.device,
      {{"attention", to_json(problem)}, {"samples", trial.samples}, {"length", trial.length}},
      entrants, [&](size_t candidate, const Function& function, CUstream stream) {
        if (!memory) memory.emplace(site.device, site.graph, site.node, problem, trial);
        launch(stream, function, memory->problem(), tactics[candidate],
               {memory->operands(), scales_of(site.node), trial.samples});
      });
}

std::vector<KernelSource> sources(const Site& site) {
  const AttentionProblem problem = problem_of(site.device, site.graph, site.node);
  std::vector<KernelSource> all;
  for (const AttentionTactic& tactic : candidates(problem, site.device.properties())) {
    all.push_back(source(problem, tactic));
  }
  return all;
}

void specialise(const Site& site, KernelChoice& choice) {
  const AttentionProblem problem = problem_of(site.device, site.graph, site.node);
  choice.tactic = Json::array();
  const octet::AttentionOperands operands = attention_operands(context_of(site.graph, site.node));
  const std::vector<int64_t> counts = row_counts(site, site.node.inputs[operands.k.input]);
  for (const int64_t rows : counts) {
    add_way(choice, rows, tune_for(site, problem, trial_for(problem, rows, counts.back())));
  }
}

class Attention final : public runtime::Kernel {
 public:
  Attention(const Device& device, const Graph& graph, const Node& node, const KernelChoice& choice)
      : problem_(problem_of(device, graph, node)),
        places_(graph, node, problem_),
        scales_(scales_of(node)),
        rows_input_(attention_operands(context_of(graph, node)).k.input) {
    for (const Way& way : ways_of(choice, node.name)) {
      const auto tactic = AttentionTactic::from_json(way.tactic, node.name);
      ways_.push_back(
          {way.max_rows, {tactic, Function(device, way.cubin, source(problem_, tactic).entry)}});
    }
  }

  void run(const KernelArgs& args) const override {
    const Launcher& way = way_for(ways_, args.inputs[rows_input_].rows());
    AttentionProblem problem = problem_;
    const AttentionOperands operands = places_.at(args.inputs, args.outputs[0], problem);
    launch(handle_of(args.stream), way.function, problem, way.tactic,
           {operands, scales_, places_.samples(args.inputs)});
  }

 private:
  struct Launcher {
    AttentionTactic tactic;
    Function function;
  };
  AttentionProblem problem_;
  Places places_;
  AttentionScales scales_;
  size_t rows_input_;
  std::vector<ForRows<Launcher>> ways_;
};

}  // namespace

KernelEntry attention_fused() {
  return {"attention.fused",
          kOctetDomain,
          "Attention",
          refuse,
          nullptr,
          sources,
          specialise,
          [](const Device& device, const Graph& graph, const Node& node,
             const KernelChoice& choice) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<Attention>(device, graph, node, choice);
          }};
}

}  // namespace octet::cuda
