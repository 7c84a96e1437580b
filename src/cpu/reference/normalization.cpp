#include <algorithm>
#include <array>
#include <cmath>

#include "cpu/reference/families.h"
#include "cpu/reference/rows.h"
#include "cpu/reference/softmax.h"
#include "cpu/reference/strides.h"
#include "ops/parameters.h"
#include "tensor/codecs.h"

namespace octet::cpu::reference {
namespace {

/// LayerNormalization and octet.LayerNorm: (x - mean) / sqrt(variance + epsilon) * gain + shift.
class LayerNorm : public Kernel {
 public:
  explicit LayerNorm(const InferenceContext& context)
      : epsilon_(context.node.number("epsilon", 1e-5F)),
        y_scale_(context.node.number("y_scale", 1.0F)),
        f16_steps_(rounds_steps(context.node)) {}

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> outputs) const override {
    return scratch_bytes(outputs[0].count()) + 2 * scratch_bytes(inputs[0].last());
  }

  void run(const KernelArgs& args) const override {
    const Operand& x = args.inputs[0];
    Scratch scratch(args.workspace);
    const auto rows = scratch.take(x.count());
    const auto gain = scratch.take(x.last());
    const auto shift = scratch.take(x.last());
    load_row(args.inputs[1], 0, gain);
    if (has(args.inputs, 2)) {
      load_row(args.inputs[2], 0, shift);
    } else {
      std::ranges::fill(shift, 0.0F);
    }
    for_each_row(x.rows(), x.last(), [&](int64_t row) {
      const auto values = rows.subspan(static_cast<size_t>(row * x.last()), gain.size());
      load_row(x, row * x.last(), values);
      normalize(values, gain, shift);
      if (f16_steps_) std::ranges::transform(values, values.begin(), round_to_f16);
      store_scaled(args.outputs[0], row * x.last(), values, y_scale_);
    });
  }

 private:
  void normalize(std::span<float> values, std::span<const float> gain,
                 std::span<const float> shift) const {
    const auto count = static_cast<double>(values.size());
    double mean = 0;
    for (const float value : values) mean += value;
    mean /= count;
    double variance = 0;
    for (const float value : values) variance += (value - mean) * (value - mean);
    const double factor = 1.0 / std::sqrt(variance / count + static_cast<double>(epsilon_));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>((values[i] - mean) * factor * gain[i] + shift[i]);
    }
  }

  float epsilon_;
  float y_scale_;
  bool f16_steps_;
};

/// Along any axis.
class Softmax : public Kernel {
 public:
  explicit Softmax(const InferenceContext& context)
      : axis_(static_cast<size_t>(axis_of(context))) {}

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> outputs) const override {
    static_cast<void>(inputs);
    return scratch_bytes(outputs[0].count());
  }

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    const int64_t extent = y.extent(axis_);
    const int64_t step = dense_strides(y)[axis_];
    const std::span<float> lines = Scratch(args.workspace).take(y.count());
    for_each_row(extent == 0 ? 0 : y.count() / extent, extent, [&](int64_t line) {
      const int64_t begin = line / step * step * extent + line % step;
      const auto values =
          lines.subspan(static_cast<size_t>(line * extent), static_cast<size_t>(extent));
      for (size_t i = 0; i < values.size(); ++i) {
        load_row(args.inputs[0], begin + static_cast<int64_t>(i) * step, values.subspan(i, 1));
      }
      softmax(values);
      for (size_t i = 0; i < values.size(); ++i) {
        store_row(y, begin + static_cast<int64_t>(i) * step,
                  std::span<const float>(values.subspan(i, 1)));
      }
    });
  }

 private:
  static int64_t axis_of(const InferenceContext& context) {
    const int64_t axis = context.node.integer("axis", -1);
    return axis < 0 ? axis + static_cast<int64_t>(context.types[0].dims.size()) : axis;
  }

  size_t axis_;
};

constexpr std::array kKernels{
    entry<LayerNorm>("reference.LayerNormalization", "", "LayerNormalization"),
    entry<Softmax>("reference.Softmax", "", "Softmax"),
    entry<LayerNorm>("reference.LayerNorm", kOctetDomain, "LayerNorm"),
};

}  // namespace

std::span<const KernelEntry> normalization_kernels() {
  return kKernels;
}

}  // namespace octet::cpu::reference
