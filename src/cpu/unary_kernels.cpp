// Activations as operators of their own.
#include <functional>

#include "base/threads.h"
#include "cpu/elementwise.h"
#include "cpu/fast_kernels.h"
#include "ops/refusals.h"

namespace octet::cpu {
namespace {

/// Elements of one piece of element-wise work: large against the cost of handing it out.
constexpr int64_t kGrain = 1 << 14;

Refusal refuse(const Graph& graph, const Node& node) {
  return refuse_dtype(graph, node, 0, {DType::f32, DType::f16});
}

class ActivationKernel final : public runtime::Kernel {
 public:
  explicit ActivationKernel(Activation activation) : activation_(activation) {}

  void run(const runtime::KernelArgs& args) const override {
    const runtime::Operand& x = args.inputs[0];
    const auto size = static_cast<int64_t>(size_of(x.dtype));
    const auto piece = [&](int64_t begin, int64_t end) {
      activate_elements(activation_, x.dtype, x.data + begin * size, end - begin,
                        args.outputs[0].data + begin * size);
    };
    parallel_for(x.count(), kGrain, std::ref(piece));
  }

 private:
  Activation activation_;
};

}  // namespace

KernelEntry quick_gelu_vector() {
  return {"quick_gelu.vector",
          kOctetDomain,
          "QuickGelu",
          refuse,
          nullptr,
          [](const Graph&, const Node&) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<ActivationKernel>(Activation::quick_gelu);
          }};
}

KernelEntry gelu_vector() {
  return {
      "gelu.vector",
      "",
      "Gelu",
      refuse,
      nullptr,
      [](const Graph&, const Node& node) -> std::unique_ptr<runtime::Kernel> {
        const bool tanh = node.text("approximate", "none") == "tanh";
        return std::make_unique<ActivationKernel>(tanh ? Activation::gelu_tanh : Activation::gelu);
      }};
}

KernelEntry sigmoid_vector() {
  return {"sigmoid.vector",
          "",
          "Sigmoid",
          refuse,
          nullptr,
          [](const Graph&, const Node&) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<ActivationKernel>(Activation::sigmoid);
          }};
}

}  // namespace octet::cpu
