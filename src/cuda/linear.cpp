// octet.Linear: one matrix product with everything behind it in its epilogue.
#include <algorithm>
#include <optional>

#include "base/error.h"
#include "cuda/gemm_ways.h"
#include "cuda/kernel_table.h"
#include "cuda/placement.h"
#include "cuda/qkv_layout.h"
#include "cuda/scratch.h"
#include "cuda/stream.h"
#include "cuda/tuner.h"
#include "ops/parameters.h"
#include "tensor/codecs.h"

namespace octet::cuda {
namespace {

using runtime::KernelArgs;
using runtime::KernelChoice;
using runtime::Operand;

constexpr size_t kX = 0;
constexpr size_t kWeight = 1;
constexpr size_t kWeightScale = 2;
constexpr size_t kBias = 3;
constexpr size_t kResidual = 4;

GemmActivation activation_of(const Node& node) {
  const std::string name = node.text("activation", "none");
  if (name == "none") return GemmActivation::none;
  if (name == "quick_gelu") return GemmActivation::quick_gelu;
  if (name == "gelu") return GemmActivation::gelu;
  if (name == "gelu_tanh") return GemmActivation::gelu_tanh;
  fail_input("node '{}': there is no activation '{}'", node.name, name);
}

int64_t columns_of(const Graph& graph, const Node& node) {
  return graph.value(node.outputs.at(0)).dims.back().size();
}

/// A constant as FP32 numbers; empty when it is left out.
std::vector<float> numbers(const Graph& graph, const Node& node, size_t input) {
  const Tensor* constant = constant_input(graph, node, input);
  if (constant == nullptr) return {};
  const Tensor values = convert(*constant, DType::f32);
  const auto data = values.values<float>();
  return {data.begin(), data.end()};
}

/// The epilogue's numbers, one a column.
struct Numbers {
  std::vector<float> scale;
  std::vector<float> bias;
  std::vector<float> alpha;
  std::vector<float> out_scale;

  [[nodiscard]] GemmEpilogue view() const { return {scale, bias, alpha, out_scale}; }
};

Numbers numbers_of(const Graph& graph, const Node& node) {
  const auto columns = static_cast<size_t>(columns_of(graph, node));
  Numbers all;
  all.scale = numbers(graph, node, kWeightScale);
  if (all.scale.empty()) all.scale = {1.0F};
  if (all.scale.size() == 1) all.scale.resize(columns, all.scale.front());
  for (float& scale : all.scale) scale *= node.number("x_scale", 1.0F);
  all.bias = numbers(graph, node, kBias);
  for (const LinearSection& section :
       linear_sections(context_of(graph, node), columns_of(graph, node))) {
    const auto end = static_cast<size_t>(section.end);
    all.alpha.resize(end, section.alpha);
    all.out_scale.resize(end, section.y_scale);
  }
  return all;
}

bool all_equal(const std::vector<float>& values) {
  return std::ranges::all_of(values, [&](float value) { return value == values.front(); });
}

/// Rounds once, at the end, also where the node asks for `steps`: FP16, to which every step would
/// be rounded, is finer than E4M3, and rounding would take a third of the time of a product with an
/// activation.
GemmProblem problem_of(const Device& device, const Graph& graph, const Node& node) {
  GemmProblem problem;
  problem.operand_dtype = graph.value(node.inputs[kX]).dtype;
  problem.out_dtype = graph.value(node.outputs.at(0)).dtype;
  problem.n = columns_of(graph, node);
  problem.k = graph.value(node.inputs[kX]).dims.back().size();
  problem.activation = activation_of(node);
  problem.residual = has_input(node, kResidual);
  const Numbers all = numbers_of(graph, node);
  problem.column_scales =
      !(all_equal(all.scale) && all_equal(all.alpha) && all_equal(all.out_scale));
  problem.transposed_from = first_transposed_column(device, graph, node);
  return problem;
}

Refusal refuse(const Device& device, const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, kX, {DType::f8e4m3, DType::f16})) return reason;
  const DType x = graph.value(node.inputs[kX]).dtype;
  if (auto reason = refuse_dtype(graph, node, kWeight, {x})) return reason;
  if (auto reason = refuse_dtype(graph, node, kResidual, {DType::f16})) return reason;
  for (const size_t input : {kWeight, kWeightScale, kBias}) {
    if (auto reason = refuse_computed(graph, node, input)) return reason;
  }
  if (auto reason = refuse_output_dtype(graph, node, {DType::f8e4m3, DType::f16, DType::f32})) {
    return reason;
  }
  const std::string words = refusal(problem_of(device, graph, node));
  return words.empty() ? Refusal() : words;
}

Tensor pack(const Device& device, const Graph& graph, const Node& node, size_t index) {
  const Tensor& constant = *graph.value(node.inputs[index]).constant;
  return index == kWeight ? pack_weight(problem_of(device, graph, node), constant) : constant;
}

/// Where the operands of a run lie. `out` holds the dense rows; transposed columns lie behind them.
GemmOperands operands_of(const GemmProblem& problem, std::span<const Operand> inputs,
                         const Operand& out, const void* epilogue) {
  GemmOperands operands;
  operands.a = inputs[kX].data;
  operands.a_pitch = problem.k;
  operands.weight = inputs[kWeight].data;
  operands.epilogue = epilogue;
  operands.out = out.data;
  operands.out_pitch = problem.n;
  if (problem.residual) {
    operands.residual = inputs[kResidual].data;
    operands.residual_pitch = problem.n;
  }
  if (problem.transposed_from >= 0) {
    const QkvLayout layout = qkv_layout(out.rows(), problem.transposed_from);
    operands.out_pitch = layout.row_pitch;
    operands.transposed = out.data + layout.values_offset;
    operands.transposed_pitch = layout.values_pitch;
  }
  return operands;
}

/// Operands of random numbers for one number of rows.
class TrialMemory {
 public:
  TrialMemory(const Device& device, const GemmProblem& problem, int64_t rows)
      : problem_(problem),
        a_(random_device_memory(device, problem.operand_dtype,
                                bytes(rows + 16, problem.k, problem.operand_dtype))),
        weight_(random_device_memory(
            device, problem.operand_dtype,
            bytes(padded_columns(problem.n) + 64, problem.k + 128, problem.operand_dtype))),
        epilogue_(random_device_memory(
            device, DType::f32, bytes(kEpilogueRows, padded_columns(problem.n), DType::f32))),
        residual_(random_device_memory(device, DType::f16, bytes(rows, problem.n, DType::f16))),
        out_(allocate_device(device, bytes(rows + 16, problem.n, problem.out_dtype))) {
    Operand x{problem.operand_dtype, 2, {rows, problem.k}, a_.get()};
    Operand weight{problem.operand_dtype, 1, {1}, weight_.get()};
    Operand residual{DType::f16, 2, {rows, problem.n}, residual_.get()};
    inputs_ = {x, weight, {}, {}, residual};
    output_ = {problem.out_dtype, 2, {rows, problem.n}, out_.get()};
  }
  [[nodiscard]] GemmOperands operands() const {
    return operands_of(problem_, inputs_, output_, epilogue_.get());
  }

 private:
  static size_t bytes(int64_t rows, int64_t columns, DType dtype) {
    return static_cast<size_t>(rows * columns) * size_of(dtype);
  }
  GemmProblem problem_;
  std::shared_ptr<std::byte> a_;
  std::shared_ptr<std::byte> weight_;
  std::shared_ptr<std::byte> epilogue_;
  std::shared_ptr<std::byte> residual_;
  std::shared_ptr<std::byte> out_;
  std::vector<Operand> inputs_;
  Operand output_;
};

Json to_json(const GemmProblem& problem) {
  return {{"operand", name_of(problem.operand_dtype)},
          {"out", name_of(problem.out_dtype)},
          {"n", problem.n},
          {"k", problem.k},
          {"activation", static_cast<int>(problem.activation)},
          {"residual", problem.residual},
          {"column_scales", problem.column_scales},
          {"transposed_from", problem.transposed_from}};
}

Tuned tune_for(const Device& device, const GemmProblem& problem, int64_t rows) {
  const std::vector<GemmTactic> tactics = candidates(problem, rows, device.properties());
  std::vector<Candidate> entrants;
  entrants.reserve(tactics.size());
  for (const GemmTactic& tactic : tactics) {
    entrants.push_back({tactic.to_json(), to_string(tactic), source(problem, tactic)});
  }
  std::optional<TrialMemory> memory;  // only when something is timed
  return tune(device, {{"gemm", to_json(problem)}, {"rows", rows}}, entrants,
              [&](size_t candidate, const Function& function, CUstream stream) {
                if (!memory) memory.emplace(device, problem, rows);
                Gemm(problem, tactics[candidate], function, device.properties())
                    .launch(stream, memory->operands(), rows);
              });
}

std::vector<KernelSource> sources(const Site& site) {
  const GemmProblem problem = problem_of(site.device, site.graph, site.node);
  std::vector<KernelSource> all;
  for (const int64_t rows : row_counts(site, site.node.inputs[kX])) {
    for (const GemmTactic& tactic : candidates(problem, rows, site.device.properties())) {
      all.push_back(source(problem, tactic));
    }
  }
  return all;
}

void specialise(const Site& site, KernelChoice& choice) {
  const GemmProblem problem = problem_of(site.device, site.graph, site.node);
  choice.tactic = Json::array();
  for (const int64_t rows : row_counts(site, site.node.inputs[kX])) {
    add_way(choice, rows, tune_for(site.device, problem, rows));
  }
}

class Linear final : public runtime::Kernel {
 public:
  Linear(const Device& device, const Graph& graph, const Node& node, const KernelChoice& choice)
      : problem_(problem_of(device, graph, node)),
        epilogue_(to_device(device, pack_epilogue(problem_, numbers_of(graph, node).view()))),
        ways_(load_gemms(device, problem_, choice, node.name)) {}

  void run(const KernelArgs& args) const override {
    const int64_t rows = args.inputs[kX].rows();
    way_for(ways_, rows)
        .launch(handle_of(args.stream),
                operands_of(problem_, args.inputs, args.outputs[0], epilogue_.bytes().data()),
                rows);
  }

 private:
  GemmProblem problem_;
  Tensor epilogue_;
  std::vector<ForRows<Gemm>> ways_;
};

}  // namespace

KernelEntry linear_gemm() {
  return {"linear.gemm",
          kOctetDomain,
          "Linear",
          refuse,
          pack,
          sources,
          specialise,
          [](const Device& device, const Graph& graph, const Node& node,
             const KernelChoice& choice) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<Linear>(device, graph, node, choice);
          }};
}

}  // namespace octet::cuda
