// octet.PatchEmbedding: every patch of the image is a row, the convolution a matrix product.
#include <functional>

#include "base/threads.h"
#include "cpu/column_vector.h"
#include "cpu/elementwise.h"
#include "cpu/fast_kernels.h"
#include "cpu/product.h"
#include "ops/parameters.h"
#include "ops/refusals.h"

namespace octet::cpu {
namespace {

using runtime::KernelArgs;
using runtime::Operand;

constexpr size_t kImage = 0;
constexpr size_t kWeight = 1;
constexpr size_t kPosition = 2;

Refusal refuse(const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, kImage, {DType::f32, DType::f16})) return reason;
  if (auto reason = refuse_dtype(graph, node, kWeight,
                                 {DType::f32, DType::f16, DType::bf16, DType::f8e4m3})) {
    return reason;
  }
  if (auto reason = refuse_computed(graph, node, kWeight)) return reason;
  if (auto reason = refuse_dtype(graph, node, kPosition, {DType::f32, DType::f16})) return reason;
  return refuse_output_dtype(graph, node, {DType::f32, DType::f16});
}

Tensor pack(const Graph& graph, const Node& node, size_t index) {
  const Tensor& constant = *graph.value(node.inputs[index]).constant;
  return index == kWeight ? pack_matrix(constant) : constant;
}

class PatchEmbedding final : public runtime::Kernel {
 public:
  PatchEmbedding(const Graph& graph, const Node& node)
      : packed_(*constant_input(graph, node, kWeight)),
        product_(matrix_set(), graph.value(node.inputs[kImage]).dtype, view_packed(packed_)),
        scale_(column_vector(nullptr, product_.weights().columns, 1.0F)),
        patch_(node.integer("patch", 1)),
        leading_(node.integer("leading", 0)),
        f16_steps_(rounds_steps(node)) {}

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> /*outputs*/) const override {
    const int64_t patches = patches_of(inputs[kImage]);
    return product_.rows_bytes(patches) + product_.scratch_bytes(patches);
  }

  void run(const KernelArgs& args) const override {
    for (int64_t sample = 0; sample < args.inputs[kImage].extent(0); ++sample) {
      embed(args, sample);
    }
  }

 private:
  [[nodiscard]] int64_t patches_of(const Operand& image) const {
    return (image.extent(2) / patch_) * (image.extent(3) / patch_);
  }

  void embed(const KernelArgs& args, int64_t sample) const {
    const Operand& image = args.inputs[kImage];
    const Operand& position = args.inputs[kPosition];
    const Operand& y = args.outputs[0];
    const int64_t width = product_.weights().columns;
    const auto y_row = width * static_cast<int64_t>(size_of(y.dtype));
    const int64_t patches = patches_of(image);
    std::byte* out = y.data + sample * y.extent(1) * y_row;
    convert_elements({position.dtype, y.dtype}, position.data, leading_ * width, out);

    const size_t rows_bytes = product_.rows_bytes(patches);
    const PreparedRows rows = product_.rows_in(args.workspace.first(rows_bytes), patches);
    gather_patches(image, sample, rows);
    Epilogue epilogue;
    epilogue.scale = scale_.data();
    epilogue.f16_steps = f16_steps_;
    epilogue.residual =
        position.data + leading_ * width * static_cast<int64_t>(size_of(position.dtype));
    epilogue.residual_dtype = position.dtype;
    epilogue.out = out + leading_ * y_row;
    epilogue.out_dtype = y.dtype;
    epilogue.columns = width;
    epilogue.stride = width;
    product_.run(rows, epilogue, args.workspace.subspan(rows_bytes));
  }

  void gather_patches(const Operand& image, int64_t sample, const PreparedRows& rows) const {
    const auto gather = [&](int64_t begin, int64_t end) {
      for (int64_t patch = begin; patch < end; ++patch) {
        gather_patch(image, sample, patch, rows.data + patch * rows.stride);
      }
    };
    parallel_for(rows.count, 8, std::ref(gather));
  }

  /// Channel, row, column order: the order of the weights.
  void gather_patch(const Operand& image, int64_t sample, int64_t patch, std::byte* row) const {
    const auto size = static_cast<int64_t>(size_of(image.dtype));
    const int64_t height = image.extent(2);
    const int64_t width = image.extent(3);
    const int64_t top = patch / (width / patch_) * patch_;
    const int64_t left = patch % (width / patch_) * patch_;
    for (int64_t channel = 0; channel < image.extent(1); ++channel) {
      const int64_t plane = (sample * image.extent(1) + channel) * height;
      for (int64_t line = 0; line < patch_; ++line) {
        product_.kernels().decode_row(
            image.dtype, image.data + ((plane + top + line) * width + left) * size, patch_, row);
        row += patch_ * product_.kernels().element_bytes;
      }
    }
  }

  Tensor packed_;
  Product product_;
  ColumnVector scale_;
  int64_t patch_;
  int64_t leading_;
  bool f16_steps_;
};

std::string explain(const Graph& graph, const Node& node) {
  return Product(matrix_set(), graph.value(node.inputs[kImage]).dtype,
                 view_packed(*constant_input(graph, node, kWeight)))
      .explanation();
}

}  // namespace

KernelEntry patch_embedding() {
  return {"patch_embedding.packed",
          kOctetDomain,
          "PatchEmbedding",
          refuse,
          pack,
          [](const Graph& graph, const Node& node) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<PatchEmbedding>(graph, node);
          },
          explain};
}

}  // namespace octet::cpu
