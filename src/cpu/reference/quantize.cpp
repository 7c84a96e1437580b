#include <array>
#include <cmath>

#include "cpu/reference/families.h"
#include "cpu/reference/rows.h"
#include "cpu/reference/strides.h"
#include "tensor/codecs.h"

namespace octet::cpu::reference {
namespace {

/// The scale of each element: one for all, or one for each index along an axis.
class Scales {
 public:
  Scales(const Operand& scale, const Operand& data, int64_t axis) : scale_(scale) {
    if (scale.rank == 0) return;
    const int64_t from_front = axis < 0 ? axis + static_cast<int64_t>(data.rank) : axis;
    step_ = dense_strides(data)[static_cast<size_t>(from_front)];
  }

  [[nodiscard]] float at(int64_t element) const {
    float value = 0.0F;
    load_row(scale_, scale_.rank == 0 ? 0 : element / step_ % scale_.count(), {&value, 1});
    return value;
  }

 private:
  const Operand& scale_;
  int64_t step_ = 1;
};

class Quantize : public Kernel {
 public:
  explicit Quantize(const InferenceContext& context) : axis_(context.node.integer("axis", 1)) {}

  void run(const KernelArgs& args) const override {
    const Operand& x = args.inputs[0];
    const Scales scales(args.inputs[1], x, axis_);
    auto* codes = args.outputs[0].as<uint8_t>();
    for_each_row(x.count(), 1, [&](int64_t element) {
      float value = 0.0F;
      load_row(x, element, {&value, 1});
      codes[element] = quantize_e4m3(value, scales.at(element));
    });
  }

 private:
  int64_t axis_;
};

class Dequantize : public Kernel {
 public:
  explicit Dequantize(const InferenceContext& context) : axis_(context.node.integer("axis", 1)) {}

  void run(const KernelArgs& args) const override {
    const Operand& x = args.inputs[0];
    const Scales scales(args.inputs[1], x, axis_);
    for_each_row(x.count(), 1, [&](int64_t element) {
      const float value = e4m3_to_f32(x.as<uint8_t>()[element]) * scales.at(element);
      store_row(args.outputs[0], element, std::span(&value, 1));
    });
  }

 private:
  int64_t axis_;
};

/// Each row through E4M3 and back, its own largest magnitude as the range.
class FakeQuantizeRows : public Kernel {
 public:
  explicit FakeQuantizeRows(const InferenceContext& context) { static_cast<void>(context); }

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> outputs) const override {
    static_cast<void>(outputs);
    return scratch_bytes(inputs[0].count());
  }

  void run(const KernelArgs& args) const override {
    const Operand& x = args.inputs[0];
    const std::span<float> rows = Scratch(args.workspace).take(x.count());
    for_each_row(x.rows(), x.last(), [&](int64_t row) {
      const auto values =
          rows.subspan(static_cast<size_t>(row * x.last()), static_cast<size_t>(x.last()));
      load_row(x, row * x.last(), values);
      float amax = 0.0F;
      for (const float value : values) amax = std::fmax(amax, std::abs(value));
      const float scale = scale_from_amax(amax);
      for (float& value : values) value = e4m3_to_f32(quantize_e4m3(value, scale)) * scale;
      store_row(args.outputs[0], row * x.last(), std::span<const float>(values));
    });
  }
};

constexpr std::array kKernels{
    entry<Quantize>("reference.QuantizeLinear", "", "QuantizeLinear"),
    entry<Dequantize>("reference.DequantizeLinear", "", "DequantizeLinear"),
    entry<FakeQuantizeRows>("reference.FakeQuantizeRows", kOctetDomain, "FakeQuantizeRows"),
};

}  // namespace

std::span<const KernelEntry> quantize_kernels() {
  return kKernels;
}

}  // namespace octet::cpu::reference
