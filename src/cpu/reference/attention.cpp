#include <array>

#include "cpu/reference/families.h"
#include "cpu/reference/rows.h"
#include "cpu/reference/softmax.h"
#include "ops/parameters.h"
#include "tensor/codecs.h"

namespace octet::cpu::reference {
namespace {

struct Sample {
  int64_t begin = 0;  ///< first row in q, k, v and y
  int64_t rows = 0;
};

/// The samples of a run: rows of a batch alike, or as the ranges say.
class Samples {
 public:
  explicit Samples(std::span<const Operand> inputs)
      : ranges_(has(inputs, 3) ? inputs[3].as<int32_t>() : nullptr),
        count_(has(inputs, 3) ? inputs[3].extent(0) : inputs[0].extent(0)),
        rows_(inputs[0].extent(1)) {}

  [[nodiscard]] int64_t count() const { return count_; }
  [[nodiscard]] Sample at(int64_t index) const {
    if (ranges_ == nullptr) return {index * rows_, rows_};
    return {ranges_[2 * index], ranges_[2 * index + 1] - ranges_[2 * index]};
  }

 private:
  const int32_t* ranges_;
  int64_t count_;
  int64_t rows_;
};

/// Float copies of the operands, [rows, width] each; k is transposed within a sample and head to
/// [head size, rows]. q's rows become the result.
struct Floats {
  std::span<float> q;
  std::span<float> k;
  std::span<float> v;
  std::span<float> scores;  ///< one row for each head and row of q
};

class Attention : public Kernel {
 public:
  explicit Attention(const InferenceContext& context)
      : heads_(context.node.integer("heads", 1)),
        causal_(context.node.integer("causal", 0) != 0),
        factor_(context.node.number("scale", 1.0F) * context.node.number("q_scale", 1.0F) *
                context.node.number("k_scale", 1.0F)),
        v_scale_(context.node.number("v_scale", 1.0F)),
        softmax_scale_(context.node.number("softmax_scale", 0.0F)),
        y_scale_(context.node.number("y_scale", 1.0F)),
        f16_steps_(rounds_steps(context.node)) {}

  [[nodiscard]] size_t workspace_bytes(std::span<const Operand> inputs,
                                       std::span<const Operand> outputs) const override {
    static_cast<void>(outputs);
    return 3 * scratch_bytes(inputs[0].count()) + scratch_bytes(heads_ * inputs[0].rows());
  }

  void run(const KernelArgs& args) const override {
    const Operand& q = args.inputs[0];
    const Samples samples(args.inputs);
    Scratch scratch(args.workspace);
    const Floats floats{scratch.take(q.count()), scratch.take(q.count()), scratch.take(q.count()),
                        scratch.take(heads_ * q.rows())};
    const int64_t work = q.count() * q.rows() / std::max<int64_t>(1, samples.count() * heads_);
    for_each_row(samples.count() * heads_, work, [&](int64_t task) {
      const Sample sample = samples.at(task / heads_);
      const int64_t head = task % heads_;
      load_head(args, sample, head, floats);
      for (int64_t row = 0; row < sample.rows; ++row) attend(sample, head, row, q, floats);
      store_head(args.outputs[0], sample, head, floats);
    });
  }

 private:
  /// Where a row's part of one head lies in [rows, width].
  [[nodiscard]] size_t offset(const Operand& q, int64_t row, int64_t head) const {
    return static_cast<size_t>(row * q.last() + head * (q.last() / heads_));
  }

  /// Element `depth` of key 0 of a sample and head; the other keys follow.
  [[nodiscard]] size_t key_offset(const Operand& q, const Sample& sample, int64_t head,
                                  int64_t depth) const {
    return static_cast<size_t>(sample.begin * q.last() +
                               (head * (q.last() / heads_) + depth) * sample.rows);
  }

  void load_head(const KernelArgs& args, const Sample& sample, int64_t head,
                 const Floats& floats) const {
    const Operand& q = args.inputs[0];
    const auto depth = static_cast<size_t>(q.last() / heads_);
    for (int64_t row = 0; row < sample.rows; ++row) {
      const size_t at = offset(q, sample.begin + row, head);
      load_row(args.inputs[0], static_cast<int64_t>(at), floats.q.subspan(at, depth));
      load_row(args.inputs[2], static_cast<int64_t>(at), floats.v.subspan(at, depth));
      for (size_t d = 0; d < depth; ++d) {
        const size_t key = key_offset(q, sample, head, static_cast<int64_t>(d));
        load_row(args.inputs[1], static_cast<int64_t>(at + d),
                 floats.k.subspan(key + static_cast<size_t>(row), 1));
      }
    }
  }

  void attend(const Sample& sample, int64_t head, int64_t row, const Operand& q,
              const Floats& floats) const {
    const auto depth = static_cast<size_t>(q.last() / heads_);
    const auto seen = static_cast<size_t>(causal_ ? row + 1 : sample.rows);
    const auto scores =
        floats.scores.subspan(static_cast<size_t>(head * q.rows() + sample.begin), seen);
    const auto mixed = floats.q.subspan(offset(q, sample.begin + row, head), depth);
    std::ranges::fill(scores, 0.0F);
    for (size_t d = 0; d < depth; ++d) {
      const float* keys = &floats.k[key_offset(q, sample, head, static_cast<int64_t>(d))];
      for (size_t i = 0; i < seen; ++i) scores[i] += mixed[d] * keys[i];
    }
    for (float& score : scores) score = step(score * factor_);
    softmax(scores);
    for (float& p : scores) p = step(p);
    quantize(scores);
    std::ranges::fill(mixed, 0.0F);
    for (size_t i = 0; i < seen; ++i) {
      const float* values = &floats.v[offset(q, sample.begin + static_cast<int64_t>(i), head)];
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

  void store_head(const Operand& y, const Sample& sample, int64_t head,
                  const Floats& floats) const {
    const auto depth = static_cast<size_t>(y.last() / heads_);
    for (int64_t row = 0; row < sample.rows; ++row) {
      const size_t at = offset(y, sample.begin + row, head);
      store_scaled(y, static_cast<int64_t>(at), floats.q.subspan(at, depth), y_scale_);
    }
  }

  int64_t heads_;
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
