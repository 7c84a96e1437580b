#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cuda/driver.h"
#include "tensor/dtype.h"

// NVIDIA's own matrix products (libcublasLt), found with dlopen: the measure of ours. Nothing needs
// it.
namespace octet::cuda {

/// Is libcublasLt here? Otherwise the reason, in words.
struct CublasLtAvailability {
  bool available = false;
  std::string reason;
};
const CublasLtAvailability& cublaslt();

/// The plain product d[m, n] = sum_k a[m, k] w[n, k] of dense row-major operands, unit scales, with
/// the library's first choice of kernel.
class CublasLtProduct {
 public:
  /// `operands`: f8e4m3 (with fast accumulation) or f16. `out`: f16, or f8e4m3 for f8e4m3 operands.
  /// Throws `Error(device_unavailable)` without the library, `Error(failed)` when it has no kernel.
  CublasLtProduct(const Device& device, DType operands, DType out, int64_t rows, int64_t n,
                  int64_t k);

  /// Issues the product on `stream`. Products of one object must not run at the same time.
  void launch(CUstream stream, const void* a, const void* weight, void* d) const;

 private:
  struct Plan;
  std::shared_ptr<const Plan> plan_;
};

}  // namespace octet::cuda
