#include <array>

#include "cpu/reference/activation.h"
#include "cpu/reference/families.h"
#include "cpu/reference/product.h"
#include "cpu/reference/strides.h"
#include "ops/parameters.h"

namespace octet::cpu::reference {
namespace {

/// The operand without its last two axes.
Operand batch_of(const Operand& operand) {
  Operand batch = operand;
  batch.rank = operand.rank - 2;
  return batch;
}

/// Where the matrices of `input` for matrix `index` of the output begin, counted in matrices.
int64_t matrix_index(const Operand& input, const Operand& output, int64_t index) {
  const Operand batch = batch_of(output);
  return offset_of(index, extents_of(batch), broadcast_strides(batch_of(input), batch));
}

class MatMul : public Kernel {
 public:
  explicit MatMul(const InferenceContext& context) { static_cast<void>(context); }

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> outputs) const override {
    return as_floats_bytes(inputs[0]) + as_floats_bytes(inputs[1]) + as_floats_bytes(outputs[0]);
  }

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    const ProductShape shape{y.extent(y.rank - 2), args.inputs[0].last(), y.last()};
    Scratch scratch(args.workspace);
    const auto a = as_floats(args.inputs[0], scratch);
    const auto b = as_floats(args.inputs[1], scratch);
    const bool direct = y.dtype == DType::f32;
    float* sums = direct ? y.as<float>() : scratch.take(y.count()).data();
    const int64_t blocks = (shape.m + kRowBlock - 1) / kRowBlock;
    const int64_t matrices = shape.m == 0 ? 0 : y.rows() / shape.m;
    for_each_row(matrices * blocks, kRowBlock * shape.k * shape.n, [&](int64_t task) {
      const int64_t matrix = task / blocks;
      const int64_t begin = task % blocks * kRowBlock;
      multiply_rows(shape, a.data() + matrix_index(args.inputs[0], y, matrix) * shape.m * shape.k,
                    b.data() + matrix_index(args.inputs[1], y, matrix) * shape.k * shape.n,
                    sums + matrix * shape.m * shape.n, begin, std::min(shape.m, begin + kRowBlock));
    });
    if (!direct) store_floats(y, sums);
  }
};

class Gemm : public Kernel {
 public:
  explicit Gemm(const InferenceContext& context)
      : transpose_a_(context.node.integer("transA", 0) != 0),
        transpose_b_(context.node.integer("transB", 0) != 0),
        alpha_(context.node.number("alpha", 1.0F)),
        beta_(context.node.number("beta", 1.0F)) {}

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> outputs) const override {
    return scratch_bytes(inputs[0].count()) + scratch_bytes(inputs[1].count()) +
           scratch_bytes(outputs[0].count());
  }

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    const Operand& a = args.inputs[0];
    Scratch scratch(args.workspace);
    const auto left = oriented(a, transpose_a_, scratch);
    const auto right = oriented(args.inputs[1], transpose_b_, scratch);
    const auto sums = scratch.take(y.count());
    multiply({y.extent(0), a.extent(transpose_a_ ? 0 : 1), y.extent(1)}, left.data(), right.data(),
             sums.data());
    for (float& sum : sums) sum *= alpha_;
    if (has(args.inputs, 2)) add_shift(args.inputs[2], y, sums);
    store_floats(y, sums.data());
  }

 private:
  static std::span<const float> oriented(const Operand& matrix, bool transposed, Scratch& scratch) {
    const auto floats = scratch.take(matrix.count());
    if (!transposed) {
      load_row(matrix, 0, floats);
      return floats;
    }
    const int64_t rows = matrix.extent(0);
    const int64_t columns = matrix.extent(1);
    for (int64_t i = 0; i < matrix.count(); ++i) {
      const int64_t target = i % columns * rows + i / columns;
      load_row(matrix, i, floats.subspan(static_cast<size_t>(target), 1));
    }
    return floats;
  }

  void add_shift(const Operand& shift, const Operand& y, std::span<float> sums) const {
    const Strides strides = broadcast_strides(shift, y);
    for (int64_t i = 0; i < y.count(); ++i) {
      float value = 0.0F;
      load_row(shift, offset_of(i, extents_of(y), strides), {&value, 1});
      sums[static_cast<size_t>(i)] += beta_ * value;
    }
  }

  bool transpose_a_;
  bool transpose_b_;
  float alpha_;
  float beta_;
};

class Conv : public Kernel {
 public:
  explicit Conv(const InferenceContext& context) : window_(conv_window_of(context)) {}

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> outputs) const override {
    const Operand& y = outputs[0];
    const int64_t patches = y.extent(2) * y.extent(3);
    const int64_t channels = y.extent(1);
    return scratch_bytes(patches * inputs[1].count() / channels) +
           scratch_bytes(inputs[1].count()) + scratch_bytes(channels) +
           scratch_bytes(patches * channels);
  }

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    const int64_t channels = y.extent(1);
    const PatchGrid grid{
        window_.kernel, window_.stride, window_.pad_before, {y.extent(2), y.extent(3)}};
    const ProductShape shape{grid.count(), args.inputs[1].count() / channels, channels};
    Scratch scratch(args.workspace);
    const auto patches = scratch.take(shape.m * shape.k);
    const auto weight = scratch.take(shape.k * shape.n);
    const auto bias = scratch.take(channels);
    const auto sums = scratch.take(shape.m * shape.n);
    transpose(args.inputs[1], shape, weight);
    if (has(args.inputs, 2)) {
      load_row(args.inputs[2], 0, bias);
    } else {
      std::ranges::fill(bias, 0.0F);
    }
    for (int64_t image = 0; image < y.extent(0); ++image) {
      gather_patches(args.inputs[0], image, grid, patches);
      multiply(shape, patches.data(), weight.data(), sums.data());
      store_channels(y, image, shape, sums, bias);
    }
  }

 private:
  /// [n, k] of any dtype to [k, n] floats.
  static void transpose(const Operand& weight, const ProductShape& shape, std::span<float> target) {
    for_each_row(shape.n, shape.k, [&](int64_t n) {
      for (int64_t k = 0; k < shape.k; ++k) {
        load_row(weight, n * shape.k + k, target.subspan(static_cast<size_t>(k * shape.n + n), 1));
      }
    });
  }

  /// Sums [patches, channels] to the image's [channels, patches].
  static void store_channels(const Operand& y, int64_t image, const ProductShape& shape,
                             std::span<const float> sums, std::span<const float> bias) {
    for_each_row(shape.n, shape.m, [&](int64_t channel) {
      for (int64_t patch = 0; patch < shape.m; ++patch) {
        const float value = sums[static_cast<size_t>(patch * shape.n + channel)] +
                            bias[static_cast<size_t>(channel)];
        store_row(y, (image * shape.n + channel) * shape.m + patch, std::span(&value, 1));
      }
    });
  }

  ConvWindow window_;
};

/// y = store(act(alpha * (x_scale * w_scale[n] * sum + bias[n])) + residual), where every section
/// of columns has its own alpha and output scale
class Linear : public Kernel {
 public:
  explicit Linear(const InferenceContext& context)
      : x_scale_(context.node.number("x_scale", 1.0F)),
        sections_(linear_sections(context,
                                  context.graph.value(context.node.outputs[0]).dims.back().size())),
        f16_steps_(rounds_steps(context.node)),
        activation_(activation_named(context.node.text("activation", "none"))) {
    if (f16_steps_ && activation_ == quick_gelu) activation_ = quick_gelu_in_f16;
  }

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> outputs) const override {
    return as_floats_bytes(inputs[0]) + as_floats_bytes(inputs[1]) +
           scratch_bytes(outputs[0].count()) + 2 * scratch_bytes(outputs[0].last()) +
           scratch_bytes(outputs[0].count());
  }

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    const ProductShape shape{y.rows(), args.inputs[0].last(), y.last()};
    Scratch scratch(args.workspace);
    const auto x = as_floats(args.inputs[0], scratch);
    const auto w = as_floats(args.inputs[1], scratch);
    const auto sums = scratch.take(y.count());
    const auto factors = scratch.take(shape.n);
    const auto bias = scratch.take(shape.n);
    const auto residual = scratch.take(y.count());
    load_or_fill(args, 2, factors, 1.0F);
    load_or_fill(args, 3, bias, 0.0F);
    multiply(shape, x.data(), w.data(), sums.data());
    for_each_row(shape.m, shape.n, [&](int64_t row) {
      const auto begin = static_cast<size_t>(row * shape.n);
      const auto values = sums.subspan(begin, factors.size());
      const auto added = residual.subspan(begin, factors.size());
      for (const LinearSection& section : sections_) finish(section, values, factors, bias);
      if (has(args.inputs, 4)) {
        load_row(args.inputs[4], row * shape.n, added);
        for (size_t n = 0; n < values.size(); ++n) values[n] = step(values[n] + added[n]);
      }
      for (const LinearSection& section : sections_) {
        store_scaled(y, row * shape.n + section.begin, columns(values, section), section.y_scale);
      }
    });
  }

 private:
  /// One number, or one for each column, or the fallback.
  static void load_or_fill(const KernelArgs& args, size_t index, std::span<float> values,
                           float fallback) {
    const bool each = has(args.inputs, index) && args.inputs[index].rank == 1;
    if (each) {
      load_row(args.inputs[index], 0, values);
      return;
    }
    if (has(args.inputs, index)) load_row(args.inputs[index], 0, {&fallback, 1});
    std::ranges::fill(values, fallback);
  }

  static std::span<float> columns(std::span<float> row, const LinearSection& section) {
    return row.subspan(static_cast<size_t>(section.begin),
                       static_cast<size_t>(section.end - section.begin));
  }

  void finish(const LinearSection& section, std::span<float> values, std::span<const float> factors,
              std::span<const float> bias) const {
    for (auto n = static_cast<size_t>(section.begin); n < static_cast<size_t>(section.end); ++n) {
      const float product = step(x_scale_ * factors[n] * values[n]);
      const float value = step(section.alpha * step(product + bias[n]));
      values[n] = activation_ == nullptr ? value : step(activation_(value));
    }
  }

  [[nodiscard]] float step(float value) const { return f16_steps_ ? round_to_f16(value) : value; }

  float x_scale_;
  std::vector<LinearSection> sections_;
  bool f16_steps_;
  Activation activation_;
};

constexpr std::array kKernels{
    entry<MatMul>("reference.MatMul", "", "MatMul"),
    entry<Gemm>("reference.Gemm", "", "Gemm"),
    entry<Conv>("reference.Conv", "", "Conv"),
    entry<Linear>("reference.Linear", kOctetDomain, "Linear"),
};

}  // namespace

std::span<const KernelEntry> matrix_kernels() {
  return kKernels;
}

}  // namespace octet::cpu::reference
