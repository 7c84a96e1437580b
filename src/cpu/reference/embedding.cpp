#include <array>
#include <cstring>
#include <string>

#include "base/error.h"
#include "cpu/reference/families.h"
#include "cpu/reference/product.h"
#include "cpu/reference/rows.h"
#include "ops/parameters.h"
#include "tensor/codecs.h"

namespace octet::cpu::reference {
namespace {

/// Token row plus position row.
class Embedding : public Kernel {
 public:
  explicit Embedding(const InferenceContext& context) : name_(context.node.name) {}

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> outputs) const override {
    static_cast<void>(inputs);
    return 2 * scratch_bytes(outputs[0].count());
  }

  void run(const KernelArgs& args) const override {
    const Operand& ids = args.inputs[0];
    const Operand& y = args.outputs[0];
    check_length(ids, args.inputs[2]);
    Scratch scratch(args.workspace);
    const auto rows = scratch.take(y.count());
    const auto positions = scratch.take(y.count());
    const auto width = static_cast<size_t>(y.last());
    const int32_t* ranges = has(args.inputs, 3) ? args.inputs[3].as<int32_t>() : nullptr;
    for_each_row(ids.count(), y.last(), [&](int64_t token) {
      const int64_t sample = token / ids.extent(1);
      const int64_t place = token % ids.extent(1);
      const int64_t row = ranges == nullptr ? token : ranges[2 * sample] + place;
      if (ranges != nullptr && row >= ranges[2 * sample + 1]) return;
      const auto sum = rows.subspan(static_cast<size_t>(row) * width, width);
      const auto position = positions.subspan(static_cast<size_t>(row) * width, width);
      load_row(args.inputs[1], checked_id(args, token) * y.last(), sum);
      load_row(args.inputs[2], place * y.last(), position);
      for (size_t i = 0; i < width; ++i) sum[i] += position[i];
      store_row(y, row * y.last(), std::span<const float>(sum));
    });
  }

 private:
  void check_length(const Operand& ids, const Operand& positions) const {
    if (ids.extent(1) <= positions.extent(0)) return;
    fail_input("node '{}': {} ids a sample exceed the {} positions", name_, ids.extent(1),
               positions.extent(0));
  }

  [[nodiscard]] int64_t checked_id(const KernelArgs& args, int64_t token) const {
    const int64_t id = args.inputs[0].as<int64_t>()[token];
    const int64_t vocabulary = args.inputs[1].extent(0);
    if (id >= 0 && id < vocabulary) return id;
    fail_input("node '{}': id {} at position {} of sample {} is outside the vocabulary of {}",
               name_, id, token % args.inputs[0].extent(1), token / args.inputs[0].extent(1),
               vocabulary);
  }

  std::string name_;
};

/// The last row of every sample.
class PoolLast : public Kernel {
 public:
  explicit PoolLast(const InferenceContext& context) { static_cast<void>(context); }

  void run(const KernelArgs& args) const override {
    const Operand& x = args.inputs[0];
    const size_t bytes = static_cast<size_t>(x.last()) * size_of(x.dtype);
    for_each_row(args.outputs[0].extent(0), x.last(), [&](int64_t sample) {
      const auto row = static_cast<size_t>(args.inputs[1].as<int32_t>()[2 * sample + 1] - 1);
      std::memcpy(args.outputs[0].data + static_cast<size_t>(sample) * bytes, x.data + row * bytes,
                  bytes);
    });
  }
};

/// Rows that come from no patch, then one row for each patch; the position table added to all.
class PatchEmbedding : public Kernel {
 public:
  explicit PatchEmbedding(const InferenceContext& context)
      : patch_(context.node.integer("patch", 1)),
        leading_(context.node.integer("leading", 0)),
        f16_steps_(rounds_steps(context.node)) {}

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> outputs) const override {
    const int64_t rows = outputs[0].extent(1);
    return as_floats_bytes(inputs[1]) + scratch_bytes(inputs[2].count()) +
           scratch_bytes(rows * inputs[1].extent(0)) + scratch_bytes(rows * outputs[0].last());
  }

  void run(const KernelArgs& args) const override {
    const Operand& images = args.inputs[0];
    const Operand& y = args.outputs[0];
    const PatchGrid grid{{patch_, patch_},
                         {patch_, patch_},
                         {},
                         {images.extent(2) / patch_, images.extent(3) / patch_}};
    const ProductShape shape{grid.count(), args.inputs[1].extent(0), y.last()};
    Scratch scratch(args.workspace);
    const auto weight = as_floats(args.inputs[1], scratch);
    const auto positions = scratch.take(args.inputs[2].count());
    const auto patches = scratch.take(shape.m * shape.k);
    const auto rows = scratch.take(y.extent(1) * shape.n);
    load_row(args.inputs[2], 0, positions);
    for (int64_t image = 0; image < y.extent(0); ++image) {
      gather_patches(images, image, grid, patches);
      std::ranges::fill(rows, 0.0F);
      multiply(shape, patches.data(), weight.data(), rows.data() + leading_ * shape.n);
      for (size_t i = 0; i < rows.size(); ++i) {
        rows[i] = (f16_steps_ ? round_to_f16(rows[i]) : rows[i]) + positions[i];
      }
      store_row(y, image * static_cast<int64_t>(rows.size()), std::span<const float>(rows));
    }
  }

 private:
  int64_t patch_;
  int64_t leading_;
  bool f16_steps_;
};

constexpr std::array kKernels{
    entry<Embedding>("reference.Embedding", kOctetDomain, "Embedding"),
    entry<PoolLast>("reference.PoolLast", kOctetDomain, "PoolLast"),
    entry<PatchEmbedding>("reference.PatchEmbedding", kOctetDomain, "PatchEmbedding"),
};

}  // namespace

std::span<const KernelEntry> embedding_kernels() {
  return kKernels;
}

}  // namespace octet::cpu::reference
