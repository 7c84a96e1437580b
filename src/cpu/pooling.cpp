// Where each sample's rows lie, and its last row.
#include <algorithm>
#include <cstring>
#include <span>

#include "base/error.h"
#include "cpu/fast_kernels.h"

namespace octet::cpu {
namespace {

using runtime::KernelArgs;
using runtime::Operand;

class RowRanges final : public runtime::Kernel {
 public:
  explicit RowRanges(int64_t eos_token) : eos_token_(eos_token) {}

  void run(const KernelArgs& args) const override {
    const Operand& ids = args.inputs[0];
    auto* ranges = args.outputs[0].as<int32_t>();
    int32_t begin = 0;
    for (int64_t sample = 0; sample < ids.extent(0); ++sample) {
      const std::span row(ids.as<int64_t>() + sample * ids.last(), static_cast<size_t>(ids.last()));
      const auto end = begin + static_cast<int32_t>(eos_position(row)) + 1;
      ranges[2 * sample] = begin;
      ranges[2 * sample + 1] = end;
      begin = end;
    }
  }

 private:
  [[nodiscard]] int64_t eos_position(std::span<const int64_t> row) const {
    if (eos_token_ < 0) return std::ranges::max_element(row) - row.begin();
    const auto found = std::ranges::find(row, eos_token_);
    return found == row.end() ? 0 : found - row.begin();
  }

  int64_t eos_token_;
};

class PoolLast final : public runtime::Kernel {
 public:
  void run(const KernelArgs& args) const override {
    const Operand& x = args.inputs[0];
    const auto* ranges = args.inputs[1].as<int32_t>();
    const size_t row_bytes = static_cast<size_t>(x.last()) * size_of(x.dtype);
    for (int64_t sample = 0; sample < args.inputs[1].extent(0); ++sample) {
      const int64_t row = ranges[2 * sample + 1] - 1;
      check(row >= 0 && row < x.rows(), "row {} of {} to pool", row, x.rows());
      std::memcpy(args.outputs[0].data + static_cast<size_t>(sample) * row_bytes,
                  x.data + static_cast<size_t>(row) * row_bytes, row_bytes);
    }
  }
};

}  // namespace

KernelEntry row_ranges() {
  return {"row_ranges.scan",
          kOctetDomain,
          "RowRanges",
          nullptr,
          nullptr,
          [](const Graph&, const Node& node) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<RowRanges>(node.integer("eos_token_id", -1));
          }};
}

KernelEntry pool_last() {
  return {"pool_last.copy",
          kOctetDomain,
          "PoolLast",
          nullptr,
          nullptr,
          [](const Graph&, const Node&) -> std::unique_ptr<runtime::Kernel> {
            return std::make_unique<PoolLast>();
          }};
}

}  // namespace octet::cpu
