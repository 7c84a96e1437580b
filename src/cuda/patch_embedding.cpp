// octet.PatchEmbedding: patches gathered into rows, then one product that adds the positions.
#include <array>

#include "cuda/gemm_ways.h"
#include "cuda/placement.h"
#include "cuda/single.h"
#include "cuda/stream.h"
#include "ops/parameters.h"

namespace octet::cuda {
namespace {

using runtime::KernelArgs;
using runtime::KernelChoice;
using runtime::Operand;

constexpr size_t kImage = 0;
constexpr size_t kWeight = 1;
constexpr size_t kPosition = 2;
constexpr const char* kEntry = "patches";
constexpr std::array kUnit{1.0F};

GemmProblem problem_of(const Graph& graph, const Node& node) {
  const Dims& image = graph.value(node.inputs[kImage]).dims;
  const int64_t patch = node.integer("patch", 1);
  GemmProblem problem;
  problem.operand_dtype = DType::f16;
  problem.out_dtype = DType::f16;
  problem.n = graph.value(node.outputs.at(0)).dims.back().size();
  problem.k = image.at(1).size() * patch * patch;
  problem.residual = true;
  problem.residual_rows = graph.value(node.inputs[kPosition]).dims.at(0).size();
  return problem;
}

/// Of an image that a block holds: a line of patches.
int64_t shared_bytes_of(const Graph& graph, const Node& node) {
  const Dims& image = graph.value(node.inputs[kImage]).dims;
  return image.at(1).size() * node.integer("patch", 1) * image.at(3).size() *
         static_cast<int64_t>(size_of(DType::f16));
}

/// Rows of patches start at multiples of 16 bytes.
int64_t pitch_of(const GemmProblem& problem) {
  return (problem.k + 7) / 8 * 8;
}

Refusal refuse(const Device& device, const Graph& graph, const Node& node) {
  for (const size_t input : {kImage, kWeight, kPosition}) {
    if (auto reason = refuse_dtype(graph, node, input, {DType::f16})) return reason;
  }
  if (auto reason = refuse_computed(graph, node, kWeight)) return reason;
  if (shared_bytes_of(graph, node) > device.properties().shared_bytes) {
    return "a line of patches does not fit into shared memory";
  }
  const std::string words = refusal(problem_of(graph, node));
  return words.empty() ? Refusal() : words;
}

Tensor pack(const Device& /*device*/, const Graph& graph, const Node& node, size_t index) {
  const Tensor& constant = *graph.value(node.inputs[index]).constant;
  return index == kWeight ? pack_weight(problem_of(graph, node), constant) : constant;
}

KernelSource gather_source(const Graph& graph, const Node& node) {
  const GemmProblem problem = problem_of(graph, node);
  const Dims& image = graph.value(node.inputs[kImage]).dims;
  const auto number = [](int64_t value) { return std::to_string(value); };
  return {"patches.cu",
          kEntry,
          {{"CHANNELS", number(image.at(1).size())},
           {"HEIGHT", number(image.at(2).size())},
           {"WIDTH", number(image.at(3).size())},
           {"PATCH", number(node.integer("patch", 1))},
           {"LEADING", number(node.integer("leading", 0))},
           {"PITCH", number(pitch_of(problem))}},
          ""};
}

GemmTactic likeliest(const GemmProblem& problem, int64_t rows, const Device& device) {
  return candidates(problem, rows, device.properties()).front();
}

std::vector<KernelSource> sources(const Site& site) {
  std::vector<KernelSource> all{gather_source(site.graph, site.node)};
  const GemmProblem problem = problem_of(site.graph, site.node);
  for (const int64_t rows : row_counts(site, site.node.outputs[0])) {
    all.push_back(source(problem, likeliest(problem, rows, site.device)));
  }
  return all;
}

/// The likeliest tactic is taken without timing: the product is a hundredth of the work.
void specialise(const Site& site, KernelChoice& choice) {
  const std::string arch = site.device.properties().arch();
  choice.code = {compile_kernel(gather_source(site.graph, site.node), arch).cubin};
  const GemmProblem problem = problem_of(site.graph, site.node);
  choice.tactic = Json::array();
  for (const int64_t rows : row_counts(site, site.node.outputs[0])) {
    const GemmTactic tactic = likeliest(problem, rows, site.device);
    const Tensor cubin = compile_kernel(source(problem, tactic), arch).cubin;
    add_way(choice, rows, {tactic.to_json(), cubin, 0, "not timed"});
  }
}

class PatchEmbedding final : public runtime::Kernel {
 public:
  PatchEmbedding(const Device& device, const Graph& graph, const Node& node,
                 const KernelChoice& choice)
      : problem_(problem_of(graph, node)),
        gather_(device, choice.code.at(0), kEntry),
        patch_lines_(graph.value(node.inputs[kImage]).dims.at(2).size() / node.integer("patch", 1)),
        shared_bytes_(shared_bytes_of(graph, node)),
        epilogue_(to_device(device, pack_epilogue(problem_, {kUnit, {}, {}, {}}))),
        ways_(load_gemms(device, problem_, choice, node.name)) {}

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> /*inputs*/,
                                       std::span<const Operand> outputs) const override {
    return static_cast<size_t>((outputs[0].rows() + 16) * pitch_of(problem_)) * size_of(DType::f16);
  }

  void run(const KernelArgs& args) const override {
    const Operand& image = args.inputs[kImage];
    const Operand& y = args.outputs[0];
    CUstream stream = handle_of(args.stream);
    void* rows = args.workspace.data();
    auto arguments = parameters(image.data, rows);
    const LaunchShape shape{.grid = static_cast<unsigned>(patch_lines_),
                            .block = 256,
                            .shared_bytes = static_cast<unsigned>(shared_bytes_),
                            .grid_y = static_cast<unsigned>(image.extent(0))};
    gather_.launch(stream, shape, arguments);
    GemmOperands operands;
    operands.a = rows;
    operands.a_pitch = pitch_of(problem_);
    operands.weight = args.inputs[kWeight].data;
    operands.epilogue = epilogue_.bytes().data();
    operands.residual = args.inputs[kPosition].data;
    operands.out = y.data;
    operands.residual_pitch = operands.out_pitch = problem_.n;
    way_for(ways_, y.rows()).launch(stream, operands, y.rows());
  }

 private:
  GemmProblem problem_;
  Function gather_;
  int64_t patch_lines_;
  int64_t shared_bytes_;
  Tensor epilogue_;
  std::vector<ForRows<Gemm>> ways_;
};

}  // namespace

KernelEntry patch_embedding_gemm() {
  return {"patch_embedding.gemm",
          kOctetDomain,
          "PatchEmbedding",
          refuse,
          pack,
          sources,
          specialise,
          [](const Device& device, const Graph& graph, const Node& node,
             const KernelChoice& choice) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<PatchEmbedding>(device, graph, node, choice);
          }};
}

}  // namespace octet::cuda
