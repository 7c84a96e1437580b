#include <array>

#include "cpu/reference/families.h"
#include "cpu/reference/rows.h"
#include "cpu/reference/softmax.h"
#include "ops/parameters.h"
#include "tensor/codecs.h"

namespace octet::cpu::reference {
namespace {

struct Rows {
  int64_t begin = 0;
  int64_t count = 0;
};

struct Sample {
  Rows keys;     ///< in k and v
  Rows queries;  ///< in q and y
};

/// The samples of a run: rows of a batch alike, or as the ranges say; queries likewise, or one row
/// a sample.
class Samples {
 public:
  Samples(std::span<const Operand> inputs, const AttentionOperands& operands)
      : ranges_(has(inputs, 3) ? inputs[3].as<int32_t>() : nullptr),
        count_(has(inputs, 3) ? inputs[3].extent(0) : inputs[operands.k.input].extent(0)),
        rows_(inputs[operands.k.input].extent(1)),
        pooled_(operands.pooled_query) {}

  [[nodiscard]] int64_t count() const { return count_; }
  [[nodiscard]] Sample at(int64_t index) const {
    Rows keys{index * rows_, rows_};
    if (ranges_ != nullptr) {
      keys = {ranges_[2 * index], ranges_[2 * index + 1] - ranges_[2 * index]};
    }
    return {keys, pooled_ ? Rows{index, 1} : keys};
  }

 private:
  const int32_t* ranges_;
  int64_t count_;
  int64_t rows_;
  bool pooled_;
};

/// Float copies of the operands, [rows, width] each; k is transposed within a sample and head to
/// [head size, rows]. q's rows become the result.
struct Floats {
  std::span<float> q;
  std::span<float> k;
  std::span<float> v;
  std::span<float> scores;  ///< one row of keys for each head
};

class Attention : public Kernel {
 public:
  explicit Attention(const InferenceContext& context)
      : operands_(attention_operands(context)),
        heads_(context.node.integer("heads", 1)),
        depth_(operands_.width / heads_),
        causal_(context.node.integer("causal", 0) != 0),
        factor_(context.node.number("scale", 1.0F) * context.node.number("q_scale", 1.0F) *
                context.node.number("k_scale", 1.0F)),
        v_scale_(context.node.number("v_scale", 1.0F)),
        softmax_scale_(context.node.number("softmax_scale", 0.0F)),
        y_scale_(context.node.number("y_scale", 1.0F)),
        f16_steps_(rounds_steps(context.node)) {}

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> outputs) const override {
    const int64_t key_rows = inputs[operands_.k.input].rows();
    return scratch_bytes(outputs[0].count()) + 2 * scratch_bytes(key_rows * operands_.width) +
           scratch_bytes(heads_ * key_rows);
  }

  void run(const KernelArgs& args) const override {
    const int64_t key_rows = args.inputs[operands_.k.input].rows();
    const Samples samples(args.inputs, operands_);
    Scratch scratch(args.workspace);
    const Floats floats{scratch.take(args.outputs[0].count()),
                        scratch.take(key_rows * operands_.width),
                        scratch.take(key_rows * operands_.width), scratch.take(heads_ * key_rows)};
    const int64_t tasks = samples.count() * heads_;
    const int64_t work = args.outputs[0].count() * key_rows / std::max<int64_t>(1, tasks);
    for_each_row(tasks, work, [&](int64_t task) {
      const Sample sample = samples.at(task / heads_);
      const int64_t head = task % heads_;
      load_queries(args, sample.queries, head, floats);
      load_keys(args, sample.keys, head, floats);
      const auto scores =
          floats.scores.subspan(static_cast<size_t>(head * key_rows + sample.keys.begin),
                                static_cast<size_t>(sample.keys.count));
      for (int64_t row = 0; row < sample.queries.count; ++row) {
        attend(sample, head, row, scores, floats);
      }
      store_head(args.outputs[0], sample.queries, head, floats);
    });
  }

 private:
  /// Where a row's part of one head lies in [rows, width].
  [[nodiscard]] size_t offset(int64_t row, int64_t head) const {
    return static_cast<size_t>(row * operands_.width + head * depth_);
  }

  /// Element `depth` of key 0 of a sample and head; the other keys follow.
  [[nodiscard]] size_t key_offset(const Rows& keys, int64_t head, int64_t depth) const {
    return static_cast<size_t>(keys.begin * operands_.width + (head * depth_ + depth) * keys.count);
  }

  void load_head(const KernelArgs& args, const AttentionOperands::Part& part, int64_t row,
                 int64_t head, std::span<float> target) const {
    const Operand& operand = args.inputs[part.input];
    load_row(operand, row * operand.last() + part.column + head * depth_, target);
  }

  void load_queries(const KernelArgs& args, const Rows& rows, int64_t head,
                    const Floats& floats) const {
    const auto depth = static_cast<size_t>(depth_);
    for (int64_t row = rows.begin; row < rows.begin + rows.count; ++row) {
      load_head(args, operands_.q, row, head, floats.q.subspan(offset(row, head), depth));
    }
  }

  void load_keys(const KernelArgs& args, const Rows& rows, int64_t head,
                 const Floats& floats) const {
    const auto depth = static_cast<size_t>(depth_);
    for (int64_t row = 0; row < rows.count; ++row) {
      // The key's row goes through the place of the value's.
      const auto target = floats.v.subspan(offset(rows.begin + row, head), depth);
      load_head(args, operands_.k, rows.begin + row, head, target);
      for (size_t d = 0; d < depth; ++d) {
        const size_t key = key_offset(rows, head, static_cast<int64_t>(d));
        floats.k[key + static_cast<size_t>(row)] = target[d];
      }
      load_head(args, operands_.v, rows.begin + row, head, target);
    }
  }

  void attend(const Sample& sample, int64_t head, int64_t row, std::span<float> all_scores,
              const Floats& floats) const {
    const auto depth = static_cast<size_t>(depth_);
    const auto seen = static_cast<size_t>(causal_ ? row + 1 : sample.keys.count);
    const auto scores = all_scores.first(seen);
    const auto mixed = floats.q.subspan(offset(sample.queries.begin + row, head), depth);
    std::ranges::fill(scores, 0.0F);
    for (size_t d = 0; d < depth; ++d) {
      const float* keys = &floats.k[key_offset(sample.keys, head, static_cast<int64_t>(d))];
      for (size_t i = 0; i < seen; ++i) scores[i] += mixed[d] * keys[i];
    }
    for (float& score : scores) score = step(score * factor_);
    softmax(scores);
    for (float& p : scores) p = step(p);
    quantize(scores);
    std::ranges::fill(mixed, 0.0F);
    for (size_t i = 0; i < seen; ++i) {
      const float* values = &floats.v[offset(sample.keys.begin + static_cast<int64_t>(i), head)];
      for (size_t d = 0; d < depth; ++d) mixed[d] += scores[i] * values[d];
    }
    for (float& value : mixed) value = step(value * v_scale_);
  }

  [[nodiscard]] float step(float value) const { return f16_steps_ ? round_to_f16(value) : value; }

  void quantize(std::span<float> probabilities) const {
    if (softmax_scale_ == 0.0F) return;
    for (float& p : probabilities) {
      p = e4m3_to_f32(quantize_e4m3(p, softmax_scale_)) * softmax_scale_;
    }
  }

  void store_head(const Operand& y, const Rows& rows, int64_t head, const Floats& floats) const {
    const auto depth = static_cast<size_t>(depth_);
    for (int64_t row = rows.begin; row < rows.begin + rows.count; ++row) {
      const size_t at = offset(row, head);
      store_scaled(y, static_cast<int64_t>(at), floats.q.subspan(at, depth), y_scale_);
    }
  }

  AttentionOperands operands_;
  int64_t heads_;
  int64_t depth_;
  bool causal_;
  float factor_;
  float v_scale_;
  float softmax_scale_;
  float y_scale_;
  bool f16_steps_;
};

constexpr std::array kKernels{
    entry<Attention>("reference.Attention", kOctetDomain, "Attention"),
};

}  // namespace

std::span<const KernelEntry> attention_kernels() {
  return kKernels;
}

}  // namespace octet::cpu::reference
