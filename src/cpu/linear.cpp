// octet.Linear on packed weights.
#include <algorithm>

#include "cpu/column_vector.h"
#include "cpu/fast_kernels.h"
#include "cpu/product.h"
#include "ops/parameters.h"
#include "ops/refusals.h"

namespace octet::cpu {
namespace {

using runtime::KernelArgs;
using runtime::Operand;

constexpr size_t kX = 0;
constexpr size_t kWeight = 1;
constexpr size_t kWeightScale = 2;
constexpr size_t kBias = 3;
constexpr size_t kResidual = 4;

/// Rows that are decoded and multiplied in one go: more would leave the caches between the two.
constexpr int64_t kRowsAtOnce = 576;
/// Rows for which fetching a table pays where arithmetic could do without (there is no activation).
constexpr int64_t kRowsForTable = 128;

Refusal refuse(const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, kX, {DType::f32, DType::f16, DType::f8e4m3})) {
    return reason;
  }
  if (auto reason = refuse_dtype(graph, node, kWeight,
                                 {DType::f32, DType::f16, DType::bf16, DType::f8e4m3})) {
    return reason;
  }
  if (auto reason = refuse_dtype(graph, node, kResidual, {DType::f32, DType::f16})) return reason;
  for (const size_t input : {kWeight, kWeightScale, kBias}) {
    if (auto reason = refuse_computed(graph, node, input)) return reason;
  }
  return refuse_output_dtype(graph, node, {DType::f32, DType::f16, DType::f8e4m3});
}

Tensor pack(const Graph& graph, const Node& node, size_t index) {
  const Tensor& constant = *graph.value(node.inputs[index]).constant;
  return index == kWeight ? pack_matrix(constant) : constant;
}

class LinearPacked final : public runtime::Kernel {
 public:
  LinearPacked(const Graph& graph, const Node& node)
      : packed_(*graph.value(node.inputs[kWeight]).constant),
        product_(matrix_set(), graph.value(node.inputs[kX]).dtype, view_packed(packed_)),
        scale_(column_vector(constant_input(graph, node, kWeightScale), product_.weights().columns,
                             1.0F)),
        bias_(column_vector(constant_input(graph, node, kBias), product_.weights().columns, 0.0F)),
        alpha_(product_.weights().columns),
        out_scale_(product_.weights().columns),
        out_inverse_(product_.weights().columns) {
    const float x_scale = node.number("x_scale", 1.0F);
    for (float& scale : scale_.values()) scale *= x_scale;
    epilogue_.scale = scale_.data();
    epilogue_.bias = constant_input(graph, node, kBias) == nullptr ? nullptr : bias_.data();
    epilogue_.f16_steps = rounds_steps(node);
    epilogue_.activation = activation_from_name(node.text("activation", "none"));
    epilogue_.columns = product_.weights().columns;
    epilogue_.stride = product_.weights().columns;
    const auto sections = linear_sections(octet::context_of(graph, node), epilogue_.columns);
    set_sections(sections);
    if (has_tables(graph, node)) fill_tables(sections);
  }

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> /*outputs*/) const override {
    const int64_t rows = std::min(inputs[kX].rows(), kRowsAtOnce);
    return product_.rows_bytes(rows) + product_.scratch_bytes(rows);
  }

  void run(const KernelArgs& args) const override {
    const int64_t rows = args.inputs[kX].rows();
    for (int64_t first = 0; first < rows; first += kRowsAtOnce) {
      run_rows(args, first, std::min(kRowsAtOnce, rows - first));
    }
  }

 private:
  void run_rows(const KernelArgs& args, int64_t first, int64_t count) const {
    const Operand& x = args.inputs[kX];
    const size_t rows_bytes = product_.rows_bytes(count);
    const PreparedRows rows = product_.rows_in(args.workspace.first(rows_bytes), count);
    product_.decode(row_of(x, first), rows);
    Epilogue epilogue = epilogue_;
    if (args.inputs.size() > kResidual && args.inputs[kResidual].present()) {
      epilogue.residual = row_of(args.inputs[kResidual], first);
      epilogue.residual_dtype = args.inputs[kResidual].dtype;
    }
    if (epilogue.activation == Activation::none && count < kRowsForTable) epilogue.tables = nullptr;
    epilogue.out = row_of(args.outputs[0], first);
    epilogue.out_dtype = args.outputs[0].dtype;
    product_.run(rows, epilogue, args.workspace.subspan(rows_bytes));
  }

  static std::byte* row_of(const Operand& operand, int64_t row) {
    return operand.data + row * operand.last() * static_cast<int64_t>(size_of(operand.dtype));
  }

  void set_sections(const std::vector<LinearSection>& sections) {
    for (const LinearSection& section : sections) {
      const auto begin = static_cast<size_t>(section.begin);
      const auto count = static_cast<size_t>(section.end - section.begin);
      std::ranges::fill(alpha_.values().subspan(begin, count), section.alpha);
      std::ranges::fill(out_scale_.values().subspan(begin, count), section.y_scale);
      std::ranges::fill(out_inverse_.values().subspan(begin, count), 1.0F / section.y_scale);
      if (section.alpha != 1.0F) epilogue_.alpha = alpha_.data();
    }
    epilogue_.out_scale = out_scale_.data();
    epilogue_.out_inverse = out_inverse_.data();
  }

  /// Whether the bits behind the bias decide what is stored.
  [[nodiscard]] bool has_tables(const Graph& graph, const Node& node) const {
    return graph.value(node.outputs[0]).dtype == DType::f8e4m3 && epilogue_.f16_steps &&
           !has_input(node, kResidual);
  }

  /// Panels that reach into another section are left to arithmetic.
  void fill_tables(const std::vector<LinearSection>& sections) {
    table_of_panel_.resize(static_cast<size_t>(product_.weights().panel_count()));
    for (const LinearSection& section : sections) {
      const int64_t first = (section.begin + kPanelColumns - 1) / kPanelColumns;
      const bool last_section = section.end == epilogue_.columns;
      const int64_t end = last_section ? std::ssize(table_of_panel_) : section.end / kPanelColumns;
      if (first >= end) continue;
      tables_.push_back(std::make_unique<CodeTable>());
      fill_code_table(epilogue_, section.begin, *tables_.back());
      std::fill(table_of_panel_.begin() + first, table_of_panel_.begin() + end,
                tables_.back().get());
    }
    epilogue_.tables = table_of_panel_.data();
  }

  Tensor packed_;
  Product product_;
  ColumnVector scale_;
  ColumnVector bias_;
  ColumnVector alpha_;
  ColumnVector out_scale_;
  ColumnVector out_inverse_;
  std::vector<std::unique_ptr<CodeTable>> tables_;
  std::vector<const CodeTable*> table_of_panel_;
  Epilogue epilogue_;
};

std::string explain(const Graph& graph, const Node& node) {
  const Tensor& packed = *graph.value(node.inputs[kWeight]).constant;
  return Product(matrix_set(), graph.value(node.inputs[kX]).dtype, view_packed(packed))
      .explanation();
}

}  // namespace

KernelEntry linear_packed() {
  return {"linear.packed",
          kOctetDomain,
          "Linear",
          refuse,
          pack,
          [](const Graph& graph, const Node& node) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<LinearPacked>(graph, node);
          },
          explain};
}

}  // namespace octet::cpu
