// octet.LayerNorm, and LayerNormalization over the last axis.
#include <algorithm>

#include "cuda/placement.h"
#include "cuda/single.h"
#include "cuda/stream.h"
#include "ops/parameters.h"
#include "tensor/codecs.h"

namespace octet::cuda {
namespace {

using runtime::KernelArgs;
using runtime::KernelChoice;

constexpr size_t kX = 0;
constexpr size_t kGain = 1;
constexpr size_t kBias = 2;
constexpr const char* kEntry = "layer_norm";
constexpr unsigned kWarps = 8;       // of a block: one row each
constexpr int64_t kMaxWidth = 2048;  // a row stays in registers
/// Up to so many rows an early start hides the launch; with more it was measured to cost more than
/// that (docs/gpu-notes.md).
constexpr int64_t kFewRows = 16384;

int64_t width_of(const Graph& graph, const Node& node) {
  return graph.value(node.inputs[kX]).dims.back().size();
}

Refusal refuse(const Device& /*device*/, const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, kX, {DType::f32, DType::f16})) return reason;
  if (auto reason = refuse_computed(graph, node, kGain)) return reason;
  if (auto reason = refuse_computed(graph, node, kBias)) return reason;
  const int64_t width = width_of(graph, node);
  if (width % 8 != 0 || width > kMaxWidth) {
    return fmt::format("a width of {} is no multiple of 8 up to {}", width, kMaxWidth);
  }
  return refuse_output_dtype(graph, node, {DType::f32, DType::f16, DType::f8e4m3});
}

Refusal refuse_onnx(const Device& device, const Graph& graph, const Node& node) {
  const auto rank = std::ssize(graph.value(node.inputs[kX]).dims);
  const int64_t axis = node.integer("axis", -1);
  if (axis != -1 && axis != rank - 1) return "it normalises more than the last axis";
  if (node.outputs.size() > 1) return "mean and variance are asked for too";
  return refuse(device, graph, node);
}

/// Blocks that fit on a multiprocessor at once: a lane holds two rows' shares in registers.
unsigned blocks_per_processor(const Graph& graph, const Node& node) {
  const auto share = (width_of(graph, node) + 255) / 256 * 8 *
                     static_cast<int64_t>(size_of(graph.value(node.inputs[kX]).dtype));
  if (share <= 64) return 3;
  return share <= 128 ? 2 : 1;
}

std::vector<KernelSource> sources(const Site& site) {
  const DType x = site.graph.value(site.node.inputs[kX]).dtype;
  const DType y = site.graph.value(site.node.outputs[0]).dtype;
  return {{"layer_norm.cu",
           kEntry,
           {{"WIDTH", std::to_string(width_of(site.graph, site.node))},
            {"BLOCKS", std::to_string(blocks_per_processor(site.graph, site.node))},
            {"X", text_name(x)},
            {"Y", text_name(y)},
            {"F16_STEPS", rounds_steps(site.node) ? "1" : "0"}},
           ""}};
}

Tensor vector_on_device(const Device& device, const Graph& graph, const Node& node, size_t input,
                        float fallback) {
  if (const Tensor* constant = constant_input(graph, node, input)) {
    return to_device(device, convert(*constant, DType::f32));
  }
  Tensor values(DType::f32, {width_of(graph, node)});
  std::ranges::fill(values.mutable_values<float>(), fallback);
  return to_device(device, values);
}

class LayerNorm final : public runtime::Kernel {
 public:
  LayerNorm(const Device& device, const Graph& graph, const Node& node, const KernelChoice& choice)
      : function_(only_function(device, choice, kEntry)),
        gain_(vector_on_device(device, graph, node, kGain, 1.0F)),
        bias_(vector_on_device(device, graph, node, kBias, 0.0F)),
        epsilon_(node.number("epsilon", 1e-5F)),
        inverse_scale_(1.0F / node.number("y_scale", 1.0F)),
        most_blocks_(static_cast<unsigned>(device.properties().multiprocessors) *
                     blocks_per_processor(graph, node)) {}

  void run(const KernelArgs& args) const override {
    const int64_t rows = args.inputs[kX].rows();
    if (rows == 0) return;
    const auto blocks = static_cast<unsigned>((rows + kWarps - 1) / kWarps);
    const void* x = args.inputs[kX].data;
    const void* gain = gain_.bytes().data();
    const void* bias = bias_.bytes().data();
    void* y = args.outputs[0].data;
    auto arguments = parameters(x, gain, bias, y, epsilon_, inverse_scale_, rows);
    const LaunchShape shape{.grid = std::min(blocks, most_blocks_),
                            .block = kWarps * 32,
                            .programmatic = rows <= kFewRows};
    function_.launch(handle_of(args.stream), shape, arguments);
  }

 private:
  Function function_;
  Tensor gain_;
  Tensor bias_;
  float epsilon_;
  float inverse_scale_;
  unsigned most_blocks_;
};

std::unique_ptr<runtime::Kernel> load(const Device& device, const Graph& graph, const Node& node,
                                      const KernelChoice& choice) {
  return std::make_unique<LayerNorm>(device, graph, node, choice);
}

}  // namespace

KernelEntry layer_norm_fused() {
  return {"layer_norm.fused",    kOctetDomain, "LayerNorm", refuse, nullptr, sources,
          compile_only<sources>, load};
}

KernelEntry layer_norm_rows() {
  return {"layer_norm.rows", "",      "LayerNormalization",  refuse_onnx,
          nullptr,           sources, compile_only<sources>, load};
}

}  // namespace octet::cuda
