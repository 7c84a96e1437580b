// The last row of every sample.
#include <cstring>

#include "base/error.h"
#include "cpu/fast_kernels.h"

namespace octet::cpu {
namespace {

using runtime::KernelArgs;
using runtime::Operand;

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
