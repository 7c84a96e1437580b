#include <array>
#include <cstring>

#include "cpu/reference/families.h"
#include "cpu/reference/strides.h"
#include "ops/parameters.h"

namespace octet::cpu::reference {
namespace {

class Transpose : public Kernel {
 public:
  explicit Transpose(const InferenceContext& context) : permutation_(permutation_of(context)) {}

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    const Strides dense = dense_strides(args.inputs[0]);
    Strides strides{};
    for (size_t axis = 0; axis < permutation_.size(); ++axis) {
      strides[axis] = dense[permutation_[axis]];
    }
    copy_strided({y.data, dense_strides(y)}, {args.inputs[0].data, strides}, extents_of(y),
                 size_of(y.dtype));
  }

 private:
  std::vector<size_t> permutation_;
};

class Expand : public Kernel {
 public:
  explicit Expand(const InferenceContext& context) { static_cast<void>(context); }

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    copy_strided({y.data, dense_strides(y)},
                 {args.inputs[0].data, broadcast_strides(args.inputs[0], y)}, extents_of(y),
                 size_of(y.dtype));
  }
};

class Slice : public Kernel {
 public:
  explicit Slice(const InferenceContext& context) : axes_(slice_of(context)) {}

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    Strides strides = dense_strides(args.inputs[0]);
    int64_t start = 0;
    for (size_t axis = 0; axis < axes_.size(); ++axis) {
      start += axes_[axis].start * strides[axis];
      strides[axis] *= axes_[axis].step;
    }
    const auto size = static_cast<int64_t>(size_of(y.dtype));
    copy_strided({y.data, dense_strides(y)}, {args.inputs[0].data + start * size, strides},
                 extents_of(y), size_of(y.dtype));
  }

 private:
  std::vector<SliceAxis> axes_;
};

/// Writes `input` as a box of `output` that begins at the given element along each axis.
void put_box(const Operand& output, const Operand& input, const Strides& begins) {
  const Strides strides = dense_strides(output);
  int64_t start = 0;
  for (size_t axis = 0; axis < output.rank; ++axis) start += begins[axis] * strides[axis];
  const auto size = static_cast<int64_t>(size_of(output.dtype));
  copy_strided({output.data + start * size, strides}, {input.data, dense_strides(input)},
               extents_of(input), size_of(output.dtype));
}

class Pad : public Kernel {
 public:
  explicit Pad(const InferenceContext& context) {
    const std::vector<PadAxis> pads = pads_of(context);
    for (size_t axis = 0; axis < pads.size(); ++axis) begins_[axis] = pads[axis].before;
  }

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    if (has(args.inputs, 2)) {
      copy_strided({y.data, dense_strides(y)}, {args.inputs[2].data, {}}, extents_of(y),
                   size_of(y.dtype));
    } else {
      std::memset(y.data, 0, y.size_bytes());
    }
    put_box(y, args.inputs[0], begins_);
  }

 private:
  Strides begins_{};
};

class Concat : public Kernel {
 public:
  explicit Concat(const InferenceContext& context) : axis_(context.node.integer("axis", 0)) {}

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    const auto axis = static_cast<size_t>(axis_ < 0 ? axis_ + static_cast<int64_t>(y.rank) : axis_);
    Strides begins{};
    for (const Operand& input : args.inputs) {
      put_box(y, input, begins);
      begins[axis] += input.extent(axis);
    }
  }

 private:
  int64_t axis_;
};

class ShapeOf : public Kernel {
 public:
  explicit ShapeOf(const InferenceContext& context)
      : start_(context.node.integer("start", 0)), rank_(context.types[0].dims.size()) {}

  void run(const KernelArgs& args) const override {
    const auto rank = static_cast<int64_t>(rank_);
    const int64_t first = std::clamp<int64_t>(start_ < 0 ? start_ + rank : start_, 0, rank);
    std::copy_n(args.inputs[0].extents.begin() + first, args.outputs[0].count(),
                args.outputs[0].as<int64_t>());
  }

 private:
  int64_t start_;
  size_t rank_;
};

class Constant : public Kernel {
 public:
  explicit Constant(const InferenceContext& context)
      : value_(std::get<Tensor>(context.node.attributes.find("value")->second)) {}

  void run(const KernelArgs& args) const override {
    std::ranges::copy(value_.bytes(), args.outputs[0].data);
  }

 private:
  Tensor value_;
};

constexpr std::array kKernels{
    entry<Transpose>("reference.Transpose", "", "Transpose"),
    entry<Expand>("reference.Expand", "", "Expand"),
    entry<Slice>("reference.Slice", "", "Slice"),
    entry<Pad>("reference.Pad", "", "Pad"),
    entry<Concat>("reference.Concat", "", "Concat"),
    entry<ShapeOf>("reference.Shape", "", "Shape"),
    entry<Constant>("reference.Constant", "", "Constant"),
};

}  // namespace

std::span<const KernelEntry> layout_kernels() {
  return kKernels;
}

}  // namespace octet::cpu::reference
