// octet.Attention: per sample, head and block of query rows, the score product, an exact softmax
// and the value product, with the matrix kernels of the set in use.
#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/threads.h"
#include "cpu/column_vector.h"
#include "cpu/epilogue.h"
#include "cpu/fast_kernels.h"
#include "cpu/head_panels.h"
#include "cpu/softmax.h"
#include "ops/parameters.h"
#include "ops/refusals.h"

namespace octet::cpu {
namespace {

using runtime::KernelArgs;
using runtime::Operand;

constexpr size_t kRanges = 3;

/// Query rows of one block: their scores stay in the second-level cache.
constexpr int64_t kBlockRows = 64;
/// Samples up to this length run on all threads even when the length is not known beforehand.
constexpr int64_t kUsualLength = 1024;

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
int64_t round_up(int64_t a, int64_t b) {
  return ceil_div(a, b) * b;
}

Refusal refuse(const Graph& graph, const Node& node) {
  for (const size_t input : {0, 1, 2}) {
    if (auto reason = refuse_dtype(graph, node, input, {DType::f32, DType::f16, DType::f8e4m3})) {
      return reason;
    }
  }
  return refuse_output_dtype(graph, node, {DType::f32, DType::f16, DType::f8e4m3});
}

/// Where the pieces of one part's scratch lie, for samples of some length.
struct Layout {
  int64_t row_stride;     ///< of decoded query or key rows, and of value rows
  int64_t weight_stride;  ///< of probability rows
  int64_t keys;           ///< offsets
  int64_t values;
  int64_t queries;
  int64_t scores;
  int64_t weights;
  int64_t sums;
  int64_t bytes;
};

/// What a run of the kernel looks at: operands and the way samples lie in them.
struct Run {
  const KernelArgs& args;
  const int32_t* ranges;  ///< null: every sample has `length` keys
  int64_t samples;
  int64_t length;  ///< keys of the longest sample
  int64_t splits;  ///< of each head's query rows
};

/// Rows of one operand.
struct Rows {
  int64_t begin;
  int64_t count;
};

class Attention final : public runtime::Kernel {
 public:
  Attention(const Graph& graph, const Node& node)
      : operands_(attention_operands(octet::context_of(graph, node))),
        heads_(node.integer("heads", 1)),
        causal_(node.integer("causal", 0) != 0),
        dim_(operands_.width / heads_),
        quantum_(node.number("softmax_scale", 0.0F)),
        value_scale_(dim_),
        out_scale_(column_vector(dim_, node.number("y_scale", 1.0F))),
        out_inverse_(column_vector(dim_, 1.0F / node.number("y_scale", 1.0F))) {
    const DType dtype = graph.value(node.inputs.front()).dtype;
    const DType weights = quantum_ != 0.0F ? DType::f8e4m3 : DType::f32;
    score_kernels_ = &dot_kernels(matrix_set(), dtype, dtype);
    value_kernels_ = &dot_kernels(matrix_set(), weights, dtype);
    factor_ = node.number("scale", 1.0F);
    float value_scale = quantum_ != 0.0F ? quantum_ : 1.0F;
    if (dtype == DType::f8e4m3) {
      factor_ *= node.number("q_scale", 1.0F) * node.number("k_scale", 1.0F);
      value_scale *= node.number("v_scale", 1.0F);
    }
    std::ranges::fill(value_scale_.values(), value_scale);
    epilogue_.scale = value_scale_.data();
    epilogue_.f16_steps = rounds_steps(node);
    epilogue_.out_scale = out_scale_.data();
    epilogue_.out_inverse = out_inverse_.data();
    epilogue_.columns = dim_;
    epilogue_.stride = heads_ * dim_;
  }

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> /*outputs*/) const override {
    // While memory is planned, operands have extents but no data yet.
    const bool packed = inputs.size() > kRanges && inputs[kRanges].rank != 0;
    const Operand& keys = inputs[operands_.k.input];
    const int64_t length = keys.extent(keys.rank - 2);
    const int64_t usual = packed ? std::min(length, kUsualLength) : length;
    return static_cast<size_t>(
        std::max(layout(length).bytes, thread_count() * layout(usual).bytes));
  }

  void run(const KernelArgs& args) const override {
    const Run run = describe(args);
    if (run.samples == 0 || run.length == 0) return;
    const int64_t part_bytes = layout(run.length).bytes;
    const int64_t fitting = static_cast<int64_t>(args.workspace.size()) / part_bytes;
    check(fitting > 0, "attention needs {} bytes of workspace", part_bytes);
    const int64_t units = run.samples * heads_ * run.splits;
    const int64_t parts = std::min<int64_t>({thread_count(), units, fitting});
    const auto run_parts = [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        std::byte* scratch = args.workspace.data() + part * part_bytes;
        for (int64_t unit = units * part / parts; unit < units * (part + 1) / parts; ++unit) {
          attend(run, unit, scratch);
        }
      }
    };
    parallel_for(parts, 1, std::ref(run_parts));
  }

 private:
  [[nodiscard]] Layout layout(int64_t length) const {
    constexpr int64_t kFloat = sizeof(float);
    const int64_t row_count = std::min(length, kBlockRows);
    const int64_t key_panels = ceil_div(length, kPanelColumns);
    const int64_t value_panels = ceil_div(dim_, kPanelColumns);
    Layout at{};
    // An odd number of cache lines keeps the rows of a tile on different cache sets.
    at.row_stride = (ceil_div(dim_ * kFloat, 64) | 1) * 64;
    at.weight_stride = (ceil_div(round_up(length, 64) * kFloat, 64) | 1) * 64;
    const auto take = [&at](int64_t bytes) {
      const int64_t offset = at.bytes;
      at.bytes += round_up(bytes, 64);
      return offset;
    };
    at.keys = take(key_panels * decoded_panel_bytes(*score_kernels_, dim_));
    at.values = take(value_panels * decoded_panel_bytes(*value_kernels_, length));
    at.queries = take(std::max(kBlockRows, kPanelColumns) * at.row_stride);
    at.scores = take(key_panels * row_count * kPanelColumns * kFloat);
    at.weights = take(row_count * at.weight_stride);
    at.sums = take(value_panels * row_count * kPanelColumns * kFloat);
    return at;
  }

  [[nodiscard]] Run describe(const KernelArgs& args) const {
    const Operand& keys = args.inputs[operands_.k.input];
    Run run{args, nullptr, 0, 0, 1};
    if (args.inputs.size() > kRanges && args.inputs[kRanges].present()) {
      run.ranges = args.inputs[kRanges].as<int32_t>();
      run.samples = args.inputs[kRanges].extent(0);
      for (int64_t i = 0; i < run.samples; ++i) {
        run.length = std::max<int64_t>(run.length, run.ranges[2 * i + 1] - run.ranges[2 * i]);
      }
    } else {
      run.samples = keys.extent(0);
      run.length = keys.extent(1);
    }
    // Few heads and many threads: a head's rows are shared out; its keys are packed again each
    // time.
    const int64_t wanted =
        ceil_div(int64_t{2} * thread_count(), std::max<int64_t>(1, run.samples * heads_));
    const int64_t most = operands_.pooled_query ? 1 : ceil_div(run.length, kBlockRows);
    run.splits = std::clamp<int64_t>(wanted, 1, most);
    return run;
  }

  [[nodiscard]] static Rows keys_of(const Run& run, int64_t sample) {
    if (run.ranges == nullptr) return {sample * run.length, run.length};
    const int64_t begin = run.ranges[2 * sample];
    return {begin, run.ranges[2 * sample + 1] - begin};
  }

  [[nodiscard]] HeadRows head_rows(const Run& run, const AttentionOperands::Part& part, Rows rows,
                                   int64_t head) const {
    const Operand& x = run.args.inputs[part.input];
    const auto element = static_cast<int64_t>(size_of(x.dtype));
    const int64_t first = rows.begin * x.last() + part.column + head * dim_;
    return {x.dtype, x.data + first * element, x.last() * element, rows.count, dim_};
  }

  /// One share of the query rows of one head of one sample.
  void attend(const Run& run, int64_t unit, std::byte* scratch) const {
    const int64_t split = unit % run.splits;
    const int64_t head = unit / run.splits % heads_;
    const int64_t sample = unit / run.splits / heads_;
    const Rows keys = keys_of(run, sample);
    const Rows queries = operands_.pooled_query ? Rows{sample, 1} : keys;
    const Layout at = layout(run.length);
    const int64_t begin = queries.count * split / run.splits;
    const int64_t end = queries.count * (split + 1) / run.splits;
    if (begin == end) return;
    const Rows seen{keys.begin, causal_ ? end : keys.count};
    pack_keys(*score_kernels_, head_rows(run, operands_.k, seen, head), scratch + at.keys,
              scratch + at.queries, at.row_stride);
    pack_values(*value_kernels_, head_rows(run, operands_.v, seen, head), scratch + at.values,
                scratch + at.queries, at.row_stride);
    for (int64_t row = begin; row < end; row += kBlockRows) {
      const Rows block{queries.begin + row, std::min(kBlockRows, end - row)};
      weigh(head_rows(run, operands_.q, block, head), causal_ ? row + 1 : keys.count, at, scratch);
      Epilogue epilogue = epilogue_;
      const Operand& y = run.args.outputs[0];
      epilogue.out_dtype = y.dtype;
      epilogue.out =
          y.data + (block.begin * heads_ + head) * dim_ * static_cast<int64_t>(size_of(y.dtype));
      blend(block.count, causal_ ? row + block.count : keys.count, seen.count, at, scratch,
            epilogue);
    }
  }

  /// Probabilities of a block of query rows; the first row attends to `keys` keys.
  void weigh(const HeadRows& queries, int64_t keys, const Layout& at, std::byte* scratch) const {
    const int64_t last_keys = causal_ ? keys + queries.count - 1 : keys;
    decode_head_rows(*score_kernels_, queries, scratch + at.queries, at.row_stride);
    BlockProduct product;
    product.rows = scratch + at.queries;
    product.row_stride = at.row_stride;
    product.row_count = queries.count;
    product.panels = scratch + at.keys;
    product.panel_stride = decoded_panel_bytes(*score_kernels_, dim_);
    product.panel_count = ceil_div(last_keys, kPanelColumns);
    product.depth = round_up(dim_, score_kernels_->depth_multiple);
    product.sums = reinterpret_cast<float*>(scratch + at.scores);
    product.sums_stride = queries.count * kPanelColumns;
    score_kernels_->multiply(product);
    SoftmaxBlock block;
    block.scores = product.sums;
    block.panel_stride = product.sums_stride;
    block.rows = queries.count;
    block.keys = keys;
    block.more_keys = causal_ ? 1 : 0;
    block.factor = factor_;
    block.quantum = quantum_;
    block.f16_steps = epilogue_.f16_steps;
    block.out = scratch + at.weights;
    block.out_stride = at.weight_stride;
    block.width = round_up(last_keys, value_kernels_->depth_multiple);
    block.out_bf16 = value_kernels_->element_bytes == 2;
    softmax_rows(block);
  }

  /// Values weighed by the probabilities of a block of rows, of which the last sees `keys` keys;
  /// `packed` keys are in the panels.
  void blend(int64_t rows, int64_t keys, int64_t packed, const Layout& at, std::byte* scratch,
             const Epilogue& epilogue) const {
    BlockProduct product;
    product.rows = scratch + at.weights;
    product.row_stride = at.weight_stride;
    product.row_count = rows;
    product.panels = scratch + at.values;
    product.panel_stride = decoded_panel_bytes(*value_kernels_, packed);
    product.panel_count = ceil_div(dim_, kPanelColumns);
    product.depth = round_up(keys, value_kernels_->depth_multiple);
    product.sums = reinterpret_cast<float*>(scratch + at.sums);
    product.sums_stride = rows * kPanelColumns;
    value_kernels_->multiply(product);
    for (int64_t panel = 0; panel < product.panel_count; ++panel) {
      finish_rows(epilogue, 0, rows, panel * kPanelColumns,
                  product.sums + panel * product.sums_stride);
    }
  }

  AttentionOperands operands_;
  int64_t heads_;
  bool causal_;
  int64_t dim_;
  float factor_ = 1.0F;
  float quantum_;
  const DotKernels* score_kernels_ = nullptr;
  const DotKernels* value_kernels_ = nullptr;
  ColumnVector value_scale_;
  ColumnVector out_scale_;
  ColumnVector out_inverse_;
  Epilogue epilogue_;
};

std::string explain(const Graph& graph, const Node& node) {
  const DType dtype = graph.value(node.inputs.front()).dtype;
  return fmt::format(
      "{} scores in {}; keys and values are decoded once for each head into a buffer in the "
      "second-level cache (every block of query rows reads them)",
      name_of(dtype), dot_kernels(matrix_set(), dtype, dtype).format);
}

}  // namespace

KernelEntry attention_blocked() {
  return {"attention.blocked",
          kOctetDomain,
          "Attention",
          refuse,
          nullptr,
          [](const Graph& graph, const Node& node) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<Attention>(graph, node);
          },
          explain};
}

}  // namespace octet::cpu
