#include <array>
#include <cstring>
#include <string>

#include "base/error.h"
#include "cpu/reference/families.h"
#include "cpu/reference/strides.h"

namespace octet::cpu::reference {
namespace {

/// Index `at` of an integer operand; a negative one counts from the back of `extent`.
int64_t checked_index(const Operand& indices, int64_t at, int64_t extent, const std::string& node) {
  int64_t index = 0;
  load_row(indices, at, {&index, 1});
  const int64_t from_front = index < 0 ? index + extent : index;
  if (from_front >= 0 && from_front < extent) return from_front;
  fail_input("node '{}': index {} is outside the {} elements of the axis", node, index, extent);
}

int64_t product_of(std::span<const int64_t> extents) {
  int64_t product = 1;
  for (const int64_t extent : extents) product *= extent;
  return product;
}

class Gather : public Kernel {
 public:
  explicit Gather(const InferenceContext& context)
      : name_(context.node.name), axis_(context.node.integer("axis", 0)) {}

  void run(const KernelArgs& args) const override {
    const Operand& data = args.inputs[0];
    const Operand& indices = args.inputs[1];
    const auto axis =
        static_cast<size_t>(axis_ < 0 ? axis_ + static_cast<int64_t>(data.rank) : axis_);
    const int64_t inner = product_of(extents_of(data).subspan(axis + 1));
    const int64_t outer = product_of(extents_of(data).first(axis));
    const size_t bytes = static_cast<size_t>(inner) * size_of(data.dtype);
    for_each_row(outer * indices.count(), inner, [&](int64_t row) {
      const int64_t picked =
          checked_index(indices, row % indices.count(), data.extent(axis), name_);
      const int64_t from = row / indices.count() * data.extent(axis) + picked;
      std::memcpy(args.outputs[0].data + static_cast<size_t>(row) * bytes,
                  data.data + static_cast<size_t>(from) * bytes, bytes);
    });
  }

 private:
  std::string name_;
  int64_t axis_;
};

class GatherND : public Kernel {
 public:
  explicit GatherND(const InferenceContext& context)
      : name_(context.node.name),
        batch_(static_cast<size_t>(context.node.integer("batch_dims", 0))) {}

  void run(const KernelArgs& args) const override {
    const Operand& data = args.inputs[0];
    const Operand& indices = args.inputs[1];
    const auto depth = static_cast<size_t>(indices.last());
    const auto extents = extents_of(data);
    const int64_t inner = product_of(extents.subspan(batch_ + depth));
    const int64_t matrix = product_of(extents.subspan(batch_, depth));
    const int64_t tuples = indices.rows() / std::max<int64_t>(1, product_of(extents.first(batch_)));
    const size_t bytes = static_cast<size_t>(inner) * size_of(data.dtype);
    for_each_row(indices.rows(), inner, [&](int64_t row) {
      int64_t from = 0;
      for (size_t i = 0; i < depth; ++i) {
        const int64_t extent = extents[batch_ + i];
        const int64_t at = row * indices.last() + static_cast<int64_t>(i);
        from = from * extent + checked_index(indices, at, extent, name_);
      }
      from += row / tuples * matrix;
      std::memcpy(args.outputs[0].data + static_cast<size_t>(row) * bytes,
                  data.data + static_cast<size_t>(from) * bytes, bytes);
    });
  }

 private:
  std::string name_;
  size_t batch_;
};

constexpr std::array kKernels{
    entry<Gather>("reference.Gather", "", "Gather"),
    entry<GatherND>("reference.GatherND", "", "GatherND"),
};

}  // namespace

std::span<const KernelEntry> gather_kernels() {
  return kKernels;
}

}  // namespace octet::cpu::reference
