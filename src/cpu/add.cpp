// Add of equal shapes, or of a tensor and one that repeats along its leading axes.
#include <algorithm>
#include <functional>

#include "base/threads.h"
#include "cpu/elementwise.h"
#include "cpu/fast_kernels.h"
#include "ops/refusals.h"

namespace octet::cpu {
namespace {

using runtime::Operand;

/// Whether `part`, leading ones aside, is the trailing extents of `whole`.
bool is_trailing(const Dims& part, const Dims& whole) {
  const auto first = std::ranges::find_if(part, [](const Dim& dim) { return dim != Dim(1); });
  const auto rank = part.end() - first;
  return rank <= std::ssize(whole) && std::equal(first, part.end(), whole.end() - rank);
}

Refusal refuse(const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, 0, {DType::f32, DType::f16})) return reason;
  const Dims& a = graph.value(node.inputs[0]).dims;
  const Dims& b = graph.value(node.inputs[1]).dims;
  if (is_trailing(a, b) || is_trailing(b, a)) return std::nullopt;
  return to_string(a) + " + " + to_string(b) + " does not repeat along leading axes alone";
}

class AddVector final : public runtime::Kernel {
 public:
  void run(const runtime::KernelArgs& args) const override {
    const bool swapped = args.inputs[0].count() < args.inputs[1].count();
    const Operand& whole = args.inputs[swapped ? 1 : 0];
    const Operand& part = args.inputs[swapped ? 0 : 1];
    if (whole.count() == 0) return;
    if (part.count() == whole.count()) {
      add_all(whole, part, args.outputs[0]);
    } else {
      add_repeated(whole, part, args.outputs[0]);
    }
  }

 private:
  static void add_all(const Operand& a, const Operand& b, const Operand& y) {
    const auto size = static_cast<int64_t>(size_of(a.dtype));
    const auto piece = [&](int64_t begin, int64_t end) {
      add_elements(a.dtype, a.data + begin * size, b.data + begin * size, end - begin,
                   y.data + begin * size);
    };
    parallel_for(a.count(), 1 << 14, std::ref(piece));
  }

  static void add_repeated(const Operand& whole, const Operand& part, const Operand& y) {
    const auto block = static_cast<int64_t>(part.size_bytes());
    const auto piece = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        add_elements(whole.dtype, whole.data + i * block, part.data, part.count(),
                     y.data + i * block);
      }
    };
    const int64_t grain = std::max<int64_t>(1, (1 << 14) / part.count());
    parallel_for(whole.count() / part.count(), grain, std::ref(piece));
  }
};

}  // namespace

KernelEntry add_vector() {
  return {"add.vector",
          "",
          "Add",
          refuse,
          nullptr,
          [](const Graph&, const Node&) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<AddVector>();
          }};
}

}  // namespace octet::cpu
