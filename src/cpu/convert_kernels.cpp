// QuantizeLinear and DequantizeLinear per tensor, Cast between floats, FakeQuantizeRows.
#include <functional>

#include <fmt/format.h>

#include "base/threads.h"
#include "cpu/elementwise.h"
#include "cpu/fast_kernels.h"
#include "ops/refusals.h"
#include "tensor/codecs.h"

namespace octet::cpu {
namespace {

using runtime::KernelArgs;
using runtime::Operand;

void convert_all(const Operand& x, const Operand& y, float multiplier, float divisor) {
  const auto from = static_cast<int64_t>(size_of(x.dtype));
  const auto to = static_cast<int64_t>(size_of(y.dtype));
  const Conversion conversion{x.dtype, y.dtype, multiplier, divisor};
  const auto piece = [&](int64_t begin, int64_t end) {
    convert_elements(conversion, x.data + begin * from, end - begin, y.data + begin * to);
  };
  parallel_for(x.count(), 1 << 14, std::ref(piece));
}

float scalar_of(const Operand& scale) {
  float value = 0.0F;
  convert_to_f32(scale.dtype, {scale.data, size_of(scale.dtype)}, {&value, 1});
  return value;
}

Refusal refuse_axis(const Graph& graph, const Node& node) {
  const auto shape = to_shape(graph.value(node.inputs[1]).dims);
  if (shape && element_count(*shape) == 1) return std::nullopt;
  return "the scale is not one number";
}

Refusal refuse_quantize(const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, 0, {DType::f32, DType::f16})) return reason;
  if (auto reason = refuse_output_dtype(graph, node, {DType::f8e4m3})) return reason;
  return refuse_axis(graph, node);
}

/// E4M3's zero point is zero, so it is not read.
class QuantizeVector final : public runtime::Kernel {
 public:
  void run(const KernelArgs& args) const override {
    convert_all(args.inputs[0], args.outputs[0], 1.0F, scalar_of(args.inputs[1]));
  }
};

Refusal refuse_dequantize(const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, 0, {DType::f8e4m3})) return reason;
  if (auto reason = refuse_output_dtype(graph, node, {DType::f32, DType::f16})) return reason;
  return refuse_axis(graph, node);
}

class DequantizeVector final : public runtime::Kernel {
 public:
  void run(const KernelArgs& args) const override {
    convert_all(args.inputs[0], args.outputs[0], scalar_of(args.inputs[1]), 1.0F);
  }
};

Refusal refuse_cast(const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, 0, {DType::f32, DType::f16})) return reason;
  return refuse_output_dtype(graph, node, {DType::f32, DType::f16});
}

class CastVector final : public runtime::Kernel {
 public:
  void run(const KernelArgs& args) const override {
    convert_all(args.inputs[0], args.outputs[0], 1.0F, 1.0F);
  }
};

Refusal refuse_rows(const Graph& graph, const Node& node) {
  return refuse_dtype(graph, node, 0, {DType::f32, DType::f16});
}

class FakeQuantizeRows final : public runtime::Kernel {
 public:
  void run(const KernelArgs& args) const override {
    const Operand& x = args.inputs[0];
    const int64_t row_bytes = x.last() * static_cast<int64_t>(size_of(x.dtype));
    const auto rows = [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        fake_quantize_row(x.dtype, x.data + row * row_bytes, x.last(),
                          args.outputs[0].data + row * row_bytes);
      }
    };
    parallel_for(x.rows(), 8, std::ref(rows));
  }
};

template <typename KernelType>
std::unique_ptr<runtime::Kernel> make(const Graph& /*graph*/, const Node& /*node*/) {
  return std::make_unique<KernelType>();
}

}  // namespace

KernelEntry quantize_vector() {
  return {"quantize.vector", "", "QuantizeLinear", refuse_quantize, nullptr, make<QuantizeVector>};
}

KernelEntry dequantize_vector() {
  return {"dequantize.vector", "",      "DequantizeLinear",
          refuse_dequantize,   nullptr, make<DequantizeVector>};
}

KernelEntry cast_vector() {
  return {"cast.vector", "", "Cast", refuse_cast, nullptr, make<CastVector>};
}

KernelEntry fake_quantize_rows() {
  return {"fake_quantize.rows", kOctetDomain, "FakeQuantizeRows",
          refuse_rows,          nullptr,      make<FakeQuantizeRows>};
}

}  // namespace octet::cpu
