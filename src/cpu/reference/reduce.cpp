#include <array>

#include "cpu/reference/families.h"
#include "cpu/reference/strides.h"
#include "ops/parameters.h"

namespace octet::cpu::reference {
namespace {

class ReduceMean : public Kernel {
 public:
  explicit ReduceMean(const InferenceContext& context)
      : axes_(axes_of(context, context.types[0].dims.size())),
        all_(axes_.empty() && context.node.integer("noop_with_empty_axes", 0) == 0) {}

  void run(const KernelArgs& args) const override {
    const Operand& x = args.inputs[0];
    const Operand& y = args.outputs[0];
    const Strides dense = dense_strides(x);
    Box kept;
    Box reduced;
    for (size_t axis = 0; axis < x.rank; ++axis) {
      Box& box = all_ || std::ranges::binary_search(axes_, axis) ? reduced : kept;
      box.strides[box.rank] = dense[axis];
      box.extents[box.rank++] = x.extents[axis];
    }
    const int64_t count = reduced.count();
    for_each_row(y.count(), count, [&](int64_t index) {
      const int64_t start = kept.offset(index);
      double sum = 0;
      for (int64_t i = 0; i < count; ++i) {
        float value = 0.0F;
        load_row(x, start + reduced.offset(i), {&value, 1});
        sum += value;
      }
      const auto mean = static_cast<float>(sum / static_cast<double>(count));
      store_row(y, index, std::span(&mean, 1));
    });
  }

 private:
  /// Some of the axes of an operand.
  struct Box {
    size_t rank = 0;
    Strides extents{};
    Strides strides{};

    [[nodiscard]] int64_t count() const {
      int64_t product = 1;
      for (size_t axis = 0; axis < rank; ++axis) product *= extents[axis];
      return product;
    }
    [[nodiscard]] int64_t offset(int64_t index) const {
      return offset_of(index, {extents.data(), rank}, strides);
    }
  };

  std::vector<size_t> axes_;
  bool all_;
};

/// The first of the largest elements along an axis.
class ArgMax : public Kernel {
 public:
  explicit ArgMax(const InferenceContext& context) : axis_(context.node.integer("axis", 0)) {}

  void run(const KernelArgs& args) const override {
    if (is_float(args.inputs[0].dtype)) {
      find<float>(args);
    } else {
      find<int64_t>(args);
    }
  }

 private:
  template <typename T>
  void find(const KernelArgs& args) const {
    const Operand& x = args.inputs[0];
    const auto axis = static_cast<size_t>(axis_ < 0 ? axis_ + static_cast<int64_t>(x.rank) : axis_);
    const int64_t extent = x.extent(axis);
    const int64_t step = dense_strides(x)[axis];
    for_each_row(args.outputs[0].count(), extent, [&](int64_t line) {
      const int64_t begin = line / step * step * extent + line % step;
      int64_t best = 0;
      T highest{};
      load_row(x, begin, {&highest, 1});
      for (int64_t i = 1; i < extent; ++i) {
        T value{};
        load_row(x, begin + i * step, {&value, 1});
        if (value <= highest) continue;
        highest = value;
        best = i;
      }
      args.outputs[0].as<int64_t>()[line] = best;
    });
  }

  int64_t axis_;
};

constexpr std::array kKernels{
    entry<ReduceMean>("reference.ReduceMean", "", "ReduceMean"),
    entry<ArgMax>("reference.ArgMax", "", "ArgMax"),
};

}  // namespace

std::span<const KernelEntry> reduce_kernels() {
  return kKernels;
}

}  // namespace octet::cpu::reference
