// octet.LayerNorm, and LayerNormalization over the last axis.
#include <functional>

#include "base/threads.h"
#include "cpu/column_vector.h"
#include "cpu/fast_kernels.h"
#include "cpu/normalize.h"
#include "ops/parameters.h"
#include "ops/refusals.h"

namespace octet::cpu {
namespace {

using runtime::KernelArgs;
using runtime::Operand;

constexpr size_t kX = 0;
constexpr size_t kGamma = 1;
constexpr size_t kBeta = 2;

Refusal refuse(const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, kX, {DType::f32, DType::f16})) return reason;
  if (auto reason = refuse_computed(graph, node, kGamma)) return reason;
  if (auto reason = refuse_computed(graph, node, kBeta)) return reason;
  return refuse_output_dtype(graph, node, {DType::f32, DType::f16, DType::f8e4m3});
}

Refusal refuse_onnx(const Graph& graph, const Node& node) {
  const auto rank = std::ssize(graph.value(node.inputs[kX]).dims);
  const int64_t axis = node.integer("axis", -1);
  if (axis != -1 && axis != rank - 1) return "it normalises more than the last axis";
  if (node.outputs.size() > 1) return "mean and variance are asked for too";
  return refuse(graph, node);
}

class LayerNorm final : public runtime::Kernel {
 public:
  LayerNorm(const Graph& graph, const Node& node)
      : gamma_(column_vector(constant_input(graph, node, kGamma), width_of(graph, node), 1.0F)),
        beta_(column_vector(constant_input(graph, node, kBeta), width_of(graph, node), 0.0F)) {
    norm_.width = width_of(graph, node);
    norm_.epsilon = node.number("epsilon", 1e-5F);
    norm_.gamma = gamma_.data();
    norm_.beta = beta_.data();
    norm_.out_scale = node.number("y_scale", 1.0F);
    norm_.f16_steps = rounds_steps(node);
  }

  void run(const KernelArgs& args) const override {
    const Operand& x = args.inputs[kX];
    const Operand& y = args.outputs[0];
    Normalization norm = norm_;
    norm.in_dtype = x.dtype;
    norm.out_dtype = y.dtype;
    const auto x_row = norm.width * static_cast<int64_t>(size_of(x.dtype));
    const auto y_row = norm.width * static_cast<int64_t>(size_of(y.dtype));
    const auto rows = [&](int64_t begin, int64_t end) {
      normalize_rows(norm, x.data + begin * x_row, end - begin, y.data + begin * y_row);
    };
    parallel_for(x.rows(), 8, std::ref(rows));
  }

 private:
  static int64_t width_of(const Graph& graph, const Node& node) {
    return constant_input(graph, node, kGamma)->count();
  }

  ColumnVector gamma_;
  ColumnVector beta_;
  Normalization norm_;
};

std::unique_ptr<runtime::Kernel> load(const Graph& graph, const Node& node) {
  return std::make_unique<LayerNorm>(graph, node);
}

}  // namespace

KernelEntry layer_norm_fused() {
  return {"layer_norm.fused", kOctetDomain, "LayerNorm", refuse, nullptr, load};
}

KernelEntry layer_norm_rows() {
  return {"layer_norm.rows", "", "LayerNormalization", refuse_onnx, nullptr, load};
}

}  // namespace octet::cpu
