// octet.Embedding: a table row and a position row for every token.
#include <functional>

#include "base/error.h"
#include "base/threads.h"
#include "cpu/elementwise.h"
#include "cpu/fast_kernels.h"
#include "ops/refusals.h"

namespace octet::cpu {
namespace {

using runtime::KernelArgs;
using runtime::Operand;

constexpr size_t kIds = 0;
constexpr size_t kTable = 1;
constexpr size_t kPosition = 2;
constexpr size_t kRanges = 3;

Refusal refuse(const Graph& graph, const Node& node) {
  if (auto reason = refuse_dtype(graph, node, kTable, {DType::f32, DType::f16})) return reason;
  const DType table = graph.value(node.inputs[kTable]).dtype;
  if (auto reason = refuse_dtype(graph, node, kPosition, {table})) return reason;
  return refuse_output_dtype(graph, node, {table});
}

class EmbeddingRows final : public runtime::Kernel {
 public:
  explicit EmbeddingRows(std::string name) : name_(std::move(name)) {}

  void run(const KernelArgs& args) const override {
    const Operand& ids = args.inputs[kIds];
    const bool packed = args.inputs.size() > kRanges && args.inputs[kRanges].present();
    const auto* ranges = packed ? args.inputs[kRanges].as<int32_t>() : nullptr;
    const int64_t length = ids.last();
    const auto samples = [&](int64_t begin, int64_t end) {
      for (int64_t sample = begin; sample < end; ++sample) {
        const int64_t first = packed ? ranges[2 * sample] : sample * length;
        const int64_t count = packed ? ranges[2 * sample + 1] - first : length;
        embed(args, ids.as<int64_t>() + sample * length, first, count);
      }
    };
    parallel_for(ids.rows(), 1, std::ref(samples));
  }

 private:
  void embed(const KernelArgs& args, const int64_t* ids, int64_t first, int64_t count) const {
    const Operand& table = args.inputs[kTable];
    const Operand& position = args.inputs[kPosition];
    const Operand& y = args.outputs[0];
    check(count <= position.extent(0) && first + count <= y.rows(), "{} tokens from row {} on",
          count, first);
    const auto row_bytes = table.last() * static_cast<int64_t>(size_of(table.dtype));
    for (int64_t i = 0; i < count; ++i) {
      if (ids[i] < 0 || ids[i] >= table.extent(0)) {
        fail(ErrorCode::usage, "{}: token id {} is outside the table of {} rows", name_, ids[i],
             table.extent(0));
      }
      add_elements(table.dtype, table.data + ids[i] * row_bytes, position.data + i * row_bytes,
                   table.last(), y.data + (first + i) * row_bytes);
    }
  }

  std::string name_;
};

}  // namespace

KernelEntry embedding_rows() {
  return {"embedding.rows",
          kOctetDomain,
          "Embedding",
          refuse,
          nullptr,
          [](const Graph&, const Node& node) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<EmbeddingRows>(node.name);
          }};
}

}  // namespace octet::cpu
